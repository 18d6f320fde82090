"""The judge of real hosts can say no: each promise is broken by hand, and seen."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import attrs
import psutil
import pytest

from fakes.embedded import EmbeddedHost
from fakes.kills import judge
from fakes.kills.places import LAST, SCENARIOS
from fakes.kills.striking import Prepared, furnished, scene_of
from fakes.t3 import Acknowledged
from t3safe.t3.files import HOME_BASE, USERDATA, V2_DATABASE
from t3safe.t3.generations import EVENT_LOG
from t3safe.t3.ledger import LEDGER_TABLE

BACK = SCENARIOS["good"]
OLD, NEW = BACK.old.version, BACK.offer.version
LIED = judge.ReportedEnd(0, {"run": "", "exit": 12, "people": {}}, ())

pytestmark = pytest.mark.timeout(600)


@attrs.define
class JudgeBench:
    """A host that nothing happened to, and what the judge remembers of it."""

    host: EmbeddedHost
    scene: judge.JudgedHost
    before: judge.HostBefore
    rows: dict[str, list[Acknowledged]]

    def at_once(self) -> str:
        """What is wrong at any moment, as one text."""
        return "\n".join(judge.at_once(self.scene, self.before, self.rows))

    def settled(self, told: judge.ReportedEnd) -> str:
        """What is wrong once a command has ended."""
        return "\n".join(judge.settled(self.scene, self.before, self.rows, told))

    def link(self, person: str) -> Path:
        """A person's selection."""
        return self.host.store / "users" / person

    def point(self, person: str, target: str) -> None:
        """Let a selection lead elsewhere."""
        self.link(person).unlink()
        self.link(person).symlink_to(target)

    def execute(self, person: str, statement: str) -> None:
        """Change a person's database beside their serve."""
        with closing(sqlite3.connect(self.host.database(person), timeout=5)) as opened:
            opened.execute(statement)
            opened.commit()


@pytest.fixture(scope="module")
def shared(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JudgeBench]:
    """Give one host to all tests: each fixes what it broke."""
    root = tmp_path_factory.mktemp("judged") / "host"
    root.mkdir()
    with furnished(BACK, root, prepared) as host:
        scene = scene_of(host, BACK)
        rows = {}
        for name in host.people:
            client = host.client(name)
            client.sign_in()
            rows[name] = client.work()
        yield JudgeBench(host, scene, judge.remember(scene), rows)


@pytest.fixture
def bench(shared: JudgeBench) -> Iterator[JudgeBench]:
    """Give the host, sound before and after."""
    assert shared.at_once() == ""
    yield shared
    for name in shared.host.people:
        shared.point(name, f"../builds/{OLD}")
    shared.host.start_serves()
    shared.before = judge.remember(shared.scene)
    assert shared.at_once() == ""
    assert judge.tidy(shared.scene) == []


def test_a_sound_host_is_called_sound(bench: JudgeBench) -> None:
    """Nothing was done and nothing is said."""
    assert bench.settled(judge.ReportedEnd(0)) == ""


def test_a_build_that_does_not_know_the_data_is_seen(bench: JudgeBench) -> None:
    """I1: by the selection and by the serve that runs."""
    bench.execute("ann", f"INSERT INTO {LEDGER_TABLE} (migration_id, name) VALUES (31, 'X')")
    said = bench.at_once()
    bench.execute("ann", f"DELETE FROM {LEDGER_TABLE} WHERE migration_id = 31")
    assert f"I1 ann: {OLD} runs and does not know (31, 'X')" in said
    assert "I3 ann: (31, 'X') is of no build" in said


def test_a_build_that_does_not_look_at_the_live_database_is_seen(bench: JudgeBench) -> None:
    """I1: V1 would start on its own database, and show nothing of V2."""
    second = bench.host.database("ann").with_name(V2_DATABASE)
    shutil.copy(bench.host.database("ann"), second)
    said = bench.at_once()
    second.unlink()
    assert f"I1 ann: {OLD} runs and does not look at {V2_DATABASE}" in said


def test_a_lost_row_is_seen(bench: JudgeBench) -> None:
    """I2: what a serve acknowledged is neither in the set nor in a snapshot."""
    gone = Acknowledged(EVENT_LOG, "never-written", OLD)
    lost = attrs.evolve(bench, rows=bench.rows | {"ben": [*bench.rows["ben"], gone]})
    assert "I2 ben: 1 of" in lost.at_once()


def test_a_build_that_passed_no_gate_is_seen(bench: JudgeBench) -> None:
    """I3: it is selected, and nobody else is to blame."""
    bench.point("ann", f"../builds/{NEW}")
    said = bench.at_once()
    assert f"I3 ann: {NEW} is selected or runs, and passed no gate" in said
    assert "I3 ben" not in said


def test_two_in_transition_are_seen(bench: JudgeBench) -> None:
    """I4: two people are fenced at once, and neither was begun on record."""
    for name in bench.host.people:
        bench.point(name, "../fence")
    said = bench.at_once()
    assert "I4 ann and ben are in transition at once" in said
    assert "I4 ann was not begun, and changed" in said


def test_a_serve_that_was_restarted_for_nothing_is_seen(bench: JudgeBench) -> None:
    """I4: it is another process, though nobody was begun."""
    (pid, _), *_ = judge.look(bench.scene)["ben"].serves
    psutil.Process(pid).send_signal(signal.SIGKILL)
    bench.host.start_serves()
    assert "I4 ben was not begun, and changed" in bench.at_once()


def test_whoever_is_left_behind_is_seen(bench: JudgeBench) -> None:
    """Fenced after the end, without a serve, and not named by any status."""
    bench.point("ann", "../fence")
    said = bench.settled(judge.ReportedEnd(0))
    assert "STRANDED ann: ../fence" in said
    assert "STRANDED ann: cannot sign in and work" in said
    excused = judge.ReportedEnd(15, {"exit": 15, "people": {"ann": {"status": "needs-human"}}})
    assert "STRANDED" not in bench.settled(excused)


def test_a_status_that_lies_is_seen(bench: JudgeBench) -> None:
    """I6: status and document differ; frozen and last-good without a run that says so."""
    assert "I6 exit status 0, and 12 in its document" in bench.settled(LIED)
    bench.host.freeze_file.write_text("nobody knows why")
    last_good = bench.host.root / "state" / "last-good"
    last_good.write_text(f"{NEW}\n")
    said = bench.settled(judge.ReportedEnd(0))
    bench.host.freeze_file.unlink()
    last_good.write_text(f"{OLD}\n")
    assert "I6 frozen (nobody knows why) after []" in said
    assert f"I6 last-good is {NEW} after []" in said


def test_litter_is_seen(bench: JudgeBench) -> None:
    """Half a build, an unsealed snapshot, half a restore, a room, half a link, a process."""
    root = bench.host.root
    made = [
        root / "store" / "builds" / f".stage-{LAST.version}-1",
        root / "backups" / "ann" / ".partial-1",
        root / "home" / "ben" / HOME_BASE / USERDATA / ".t3safe-staging",
        root / "tmp" / "t3safe-gate-1",
        root / "store" / "users" / ".ann.new",
    ]
    for path in made:
        path.mkdir(parents=True)
    said = judge.tidy(bench.scene)
    for path in made:
        shutil.rmtree(path)
    shutil.rmtree(root / "backups")
    assert len(said) == len(made), said


def _without_end(events: list[dict[str, object]]) -> list[dict[str, object]]:
    return events[:-1]


def _begun_late(events: list[dict[str, object]]) -> list[dict[str, object]]:
    fence = {"type": "Started", "seq": 9, "effect": {"type": "Fence", "person": "ben"}}
    return [*events[:-1], {"type": "StopAsked"}, fence, events[-1]]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(_without_end, "was left open"), (_begun_late, "ben begun after 1 was interrupted")],
)
def test_a_journal_that_tells_of_a_broken_promise_is_seen(
    bench: JudgeBench,
    spoil: Callable[[list[dict[str, object]]], list[dict[str, object]]],
    words: str,
) -> None:
    """A run that was left open, and somebody who was begun after a wish to end."""
    plan = {"candidate": NEW, "moves": []}
    ended = {"outcome": "interrupted", "reason": ""}
    events: list[dict[str, object]] = [
        {"type": "Opened", "plan": plan},
        {"type": "Closed", "ended": ended},
    ]
    journal = bench.host.root / "state" / "journal.sqlite"
    with closing(sqlite3.connect(journal)) as opened:
        opened.execute("CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, run, body)")
        opened.execute(
            "CREATE TABLE IF NOT EXISTS verdicts (version, ruling, in_production INTEGER)"
        )
        opened.executemany(
            "INSERT INTO events (run, body) VALUES ('1', ?)",
            [(json.dumps(event),) for event in spoil(events)],
        )
        opened.commit()
    history = [{"run": "1", "outcome": "interrupted"}]
    said = bench.settled(judge.ReportedEnd(12, history=history))
    for part in journal.parent.glob("journal.sqlite*"):
        part.unlink()
    assert words in said
