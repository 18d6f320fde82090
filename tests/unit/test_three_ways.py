"""ARCHITECTURE.md's lists of calls are how the code runs: each is traced, call by call."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import attrs
import pytest
from click.testing import CliRunner

from fakes.world import NEWER, Defect, World, small_world
from fakes.world.wiring import host
from t3safe.entrypoints import app
from t3safe.entrypoints.cli import cli
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.wiring.live import Live, live
from tests.scenarios.nights import publish

ROOT: Final = Path(__file__).parents[2]
HOPS_MAX: Final = 25
"""What a reader can follow in one sitting."""


def steps(way: str) -> list[str]:
    """The calls that ARCHITECTURE.md names for a way, in order: `module.function`."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = text.split(f"\n### {way}\n")[1].split("\n#")[0]
    return re.findall(r"^\d+\. `([\w.]+)`", section, re.MULTILINE)


def calls(action: Callable[[], object]) -> Iterator[str]:
    """Do something; give each function of t3safe that it called, in order, as `module.name`."""
    seen: list[str] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("t3safe."):
            seen.append(f"{module.removeprefix('t3safe.')}.{frame.f_code.co_qualname}")

    sys.setprofile(watch)
    try:
        action()
    finally:
        sys.setprofile(None)
    yield from seen


def command(
    world: World, place: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> Callable[[], object]:
    """Give the command line over a host of the fake world."""

    def wired(*given: object, acts: bool) -> Live:
        return attrs.evolve(live(*given, acts=acts), host=host(world))  # type: ignore[arg-type]

    monkeypatch.setattr(app, "live", wired)
    config = place / "config.toml"
    folders = {"store": "store", "state_dir": "state", "backup_dest": "backups", "tmpdir": "tmp"}
    config.write_text("".join(f'{key} = "{place / name}"\n' for key, name in folders.items()))

    def act() -> None:
        said = CliRunner().invoke(cli, ["--config", str(config), word])
        assert said.exit_code in {Exit.OK, Exit.ROLLED_BACK}, (said.output, said.exception)

    return act


@pytest.mark.parametrize(
    ("way", "word", "fails"),
    [
        ("t3safe run", "run", False),
        ("A failed canary's way back", "run", True),
        ("t3safe status", "status", False),
    ],
)
def test_the_way_is_the_list_of_calls(
    way: str, word: str, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call that is listed is made, after the one before it."""
    world = small_world("ann", "bob")
    if fails:
        publish(world, NEWER, 33, Defect.MUTE)
    listed = steps(way)
    assert 0 < len(listed) <= HOPS_MAX

    remaining = iter(calls(command(world, tmp_path, monkeypatch, word)))

    for name in listed:
        assert name in remaining, f"{name} is not called where ARCHITECTURE.md lists it"
