"""A tick gives the last answer again, until anything changes that it was drawn from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.embedded import EmbeddedHost, Resident, Said
from fakes.packages import release_like
from t3safe.entrypoints import standstill

FIRST = release_like("0.0.25-nightly.20260608.497")
NEXT = release_like("0.0.25-nightly.20260609.501")
AGAIN = "said again"
"""What a kept answer is changed to here, so that it is seen when it is given."""
HURRIED = (
    "from t3safe.entrypoints import standstill; standstill.RACY = 0.0;"
    "from t3safe.entrypoints.start import main; main()"
)
"""A run that keeps its answer although the files of a test are a moment old."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    """Give a host on the newest build, on which one run has found nothing to do."""
    with EmbeddedHost(tmp_path, (Resident("ann"), Resident("wizard"))) as made:
        made.adopt(FIRST)
        assert tick(made).status == 0
        yield made


def tick(host: EmbeddedHost, *words: str, **extra: str) -> Said:
    """Run a command as a timer does, with the folder of answers named."""
    variables = {"T3_STATE_DIR": str(host.root / "state")} | extra
    return host.t3safe(*(words or ("run",)), timeout=60.0, program="", **variables)


def kept(host: EmbeddedHost, command: str = "run") -> Path:
    """Where the answer is kept."""
    return host.root / "state" / f"standstill-{command}"


def standing_still(host: EmbeddedHost, *words: str) -> None:
    """Have an answer kept, and mark it."""
    words = words or ("run",)
    said = host.t3safe(*words, T3_STATE_DIR=str(host.root / "state"), program=HURRIED)
    assert said.status in {0, 10}, said
    place = kept(host, words[-1])
    lines = place.read_text(encoding="utf-8").split("\n")
    lines[8] = AGAIN
    place.write_text("\n".join(lines), encoding="utf-8")


def test_the_last_answer_is_given_again(host: EmbeddedHost) -> None:
    """Nothing changed, so nothing is drawn anew; the status is the same."""
    for command in standstill.COMMANDS:
        standing_still(host, command)
        assert tick(host, command) == Said(0, f"{AGAIN}\n", "")


def test_a_frozen_host_says_so_again(host: EmbeddedHost) -> None:
    """FROZEN has its own status, also given again; the registry is not asked."""
    host.freeze_file.touch()
    standing_still(host)
    host.registry.down()
    assert tick(host) == Said(10, f"{AGAIN}\n", "")


def _touch(*names: str) -> Callable[[EmbeddedHost], None]:
    def change(host: EmbeddedHost) -> None:
        (host.root.joinpath(*names)).touch()

    return change


def _pin(host: EmbeddedHost) -> None:
    assert host.t3safe("pin", FIRST.version).status == 0


def _hold(host: EmbeddedHost) -> None:
    assert host.t3safe("hold", NEXT.version).status == 0


def _person(host: EmbeddedHost) -> None:
    with host.user_map.open("a", encoding="utf-8") as file:
        file.write("annie@example.org=ann\n")


def _link(host: EmbeddedHost) -> None:
    link = host.store / "users" / "ann"
    target = os.readlink(link)
    link.unlink()
    link.symlink_to(target)


def _setting(host: EmbeddedHost) -> None:
    host.write_config(rollout__bake=0.6)


CHANGES: dict[str, Callable[[EmbeddedHost], None]] = {
    "the journal": _touch("state", "journal.sqlite"),
    "last-good": _touch("state", "last-good"),
    "previous-good": _touch("state", "previous-good"),
    "the store": _touch("store", "builds", "another"),
    "a held build": _hold,
    "a person's link": _link,
    "a setting": _setting,
    "a pin": _pin,
    "the user map": _person,
    "the freeze file": _touch("freeze"),
}


def test_any_change_has_the_answer_drawn_anew(host: EmbeddedHost) -> None:
    """Rule 3: whatever an answer was drawn from."""
    for what, change in CHANGES.items():
        standing_still(host)
        assert tick(host).out == f"{AGAIN}\n", f"before {what}"
        change(host)
        assert AGAIN not in tick(host).out, what


def test_a_new_build_is_not_missed(host: EmbeddedHost) -> None:
    """The registry is asked each time: where the tag points elsewhere, the run acts."""
    standing_still(host)
    host.publish(NEXT, tag="nightly")
    assert f"promoted {NEXT.version}" in tick(host).out


def test_a_variable_that_steers_has_the_answer_drawn_anew(host: EmbeddedHost) -> None:
    """Rule 3: the environment is a source too."""
    standing_still(host)
    assert AGAIN not in tick(host, T3_TRACK="latest").out
    standing_still(host)
    assert AGAIN not in tick(host, npm_config_prefix="/elsewhere").out


def test_another_way_of_asking_has_the_answer_drawn_anew(host: EmbeddedHost) -> None:
    """What a person asks for beside the plain command is not what was kept."""
    standing_still(host)
    assert AGAIN not in tick(host, "run", "--dry-run").out
    standing_still(host)
    assert AGAIN not in tick(host, "run", "--json").out


def test_a_registry_in_trouble_has_the_answer_drawn_anew(host: EmbeddedHost) -> None:
    """Rule 3: the run itself knows how to be patient, and what to say."""
    standing_still(host)
    host.registry.down()
    said = tick(host)
    assert said.status == 12
    assert AGAIN not in said.out


def test_an_answer_of_yesterday_is_drawn_anew(host: EmbeddedHost) -> None:
    """Rule 4."""
    standing_still(host)
    place = kept(host)
    lines = place.read_text(encoding="utf-8").split("\n")
    lines[4] = str(float(lines[4]) - standstill.AGE_MAX)
    place.write_text("\n".join(lines), encoding="utf-8")
    assert AGAIN not in tick(host).out


def test_what_changed_just_now_is_not_kept(host: EmbeddedHost) -> None:
    """Rule 2: within one tick of the file system's clock a second change would not be seen."""
    # On a slow machine the files may be old enough already when the host's first run ends.
    kept(host).unlink(missing_ok=True)
    long = HURRIED.replace("RACY = 0.0", "RACY = 3600.0")
    said = host.t3safe("run", T3_STATE_DIR=str(host.root / "state"), program=long)
    assert said.status == 0
    assert not kept(host).exists()


def test_where_a_clock_or_another_end_is_asked_nothing_is_kept(host: EmbeddedHost) -> None:
    """Rule 1."""
    for key, value in (
        ("policy__age_min_days", 1.0),
        ("metrics_file", str(host.root / "metrics.prom")),
        ("notify__urls_file", str(host.root / "urls")),
    ):
        before = dict(host.config)
        host.write_config(**{key: value})
        host.t3safe("run", T3_STATE_DIR=str(host.root / "state"), program=HURRIED)
        assert not kept(host).exists(), key
        host.config = before


def test_an_answer_given_again_counts_as_an_end_of_its_command(host: EmbeddedHost) -> None:
    """Silence of a timer is told from when its command ended last; another command's stays."""
    standing_still(host)
    marks = {name: host.root / "state" / f"ended-{name}" for name in ("run", "drain")}
    for mark in marks.values():
        mark.touch()
        os.utime(mark, (1.0, 1.0))
    assert tick(host) == Said(0, f"{AGAIN}\n", "")
    assert marks["run"].stat().st_mtime > 1.0
    assert marks["drain"].stat().st_mtime == 1.0


def test_a_kept_answer_that_is_damaged_is_drawn_anew(host: EmbeddedHost) -> None:
    """A file that was cut short, or is no text, is as good as none."""
    standing_still(host)
    whole = kept(host).read_bytes()
    for damaged in (b"", whole[:40], b"\xff" + whole, whole.replace(b"standstill 1", b"x")):
        kept(host).write_bytes(damaged)
        assert AGAIN not in tick(host).out
