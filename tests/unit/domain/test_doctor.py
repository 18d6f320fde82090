"""What a look at the host concludes: each check fails for its reason, and holds once fixed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from attrs import evolve

from t3safe.domain.disk_space import Room
from t3safe.domain.doctor import findings, people
from t3safe.domain.doctor import machine as doctor
from t3safe.domain.doctor.findings import Finding, Health, Precondition
from t3safe.domain.doctor.machine import Folder
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.obstacles import held
from t3safe.domain.pressure import Pressure, PressureLimits, Stall
from t3safe.domain.unmapped import Unmapped
from t3safe.t3 import package
from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import BEFORE_SCOPES, V1, V2
from t3safe.t3.package import LIBRARIES, NativeHost
from t3safe.t3.sign_in import PLAIN_COOKIE
from t3safe.t3.updater import NO_TRACES, ServiceState, Traces
from tests.golden.findings import CASES, reviewed, told
from tests.support.personaldata import LATER_DATABASE

NOW = datetime(2026, 6, 15, 4, 0, tzinfo=UTC)
BUILD = "0.0.28-nightly.20260615.571"
NODES = "^22.16 || ^23.11 || >=24.10"
GLIBC = frozenset({"/lib64/ld-linux-x86-64.so.2"})
SOUND = Folder("/var/lib/t3-autoupdate", there=True, ours=True, mode=0o755)
MIB = 1024**2
START = "systemctl start t3-serve@ann.service"

Judging = Callable[[], Finding]

FAILING: list[tuple[Judging, Judging, Health, str]] = [
    (
        lambda: people.judge_no_map("it does not exist", "/m"),
        lambda: people.judge_map(1, (), "/m")[0],
        Health.PROBLEM,
        "login=os_user",
    ),
    (
        lambda: doctor.judge_npm("npm", ""),
        lambda: doctor.judge_npm("npm", "/usr/bin/npm"),
        Health.PROBLEM,
        "command -v npm",
    ),
    (
        lambda: doctor.judge_node("", ()),
        lambda: doctor.judge_node("24.10.0", ()),
        Health.PROBLEM,
        "gate.node",
    ),
    (
        lambda: doctor.judge_node("20.1.0", ((BUILD, NODES),)),
        lambda: doctor.judge_node("24.10.0", ((BUILD, NODES),)),
        Health.PROBLEM,
        f"t3safe check {BUILD}",
    ),
    (
        lambda: doctor.judge_program(NativeHost("x86_64", GLIBC), ()),
        lambda: doctor.judge_program(NativeHost("x86_64", GLIBC | set(LIBRARIES)), ()),
        Health.WARNING,
        "apt-get install libatomic1",
    ),
    (
        lambda: doctor.judge_program(NativeHost("x86_64", frozenset()), (BUILD,)),
        lambda: doctor.judge_program(NativeHost("x86_64", GLIBC | set(LIBRARIES)), (BUILD,)),
        Health.PROBLEM,
        "no build for musl",
    ),
    (
        lambda: doctor.judge_registry("", "no answer"),
        lambda: doctor.judge_registry(BUILD, ""),
        Health.PROBLEM,
        "npm ping",
    ),
    (
        lambda: doctor.judge_launcher("/usr/bin/t3", "had been replaced by another program"),
        lambda: doctor.judge_launcher("/usr/bin/t3", ""),
        Health.PROBLEM,
        "t3safe adopt",
    ),
    (
        lambda: doctor.judge_hooks(0, (("before-run.d/10-x", "others may write to it"),), (), ())[
            0
        ],
        lambda: doctor.judge_hooks(1, (), (), ())[0],
        Health.PROBLEM,
        "docs/hooks.md",
    ),
    (
        lambda: doctor.judge_hooks(0, (), ("before-run.d/10-x",), ())[0],
        lambda: doctor.judge_hooks(1, (), (), ())[0],
        Health.WARNING,
        "chmod +x",
    ),
    (
        lambda: doctor.judge_hooks(0, (), (), ("before_run.d",))[0],
        lambda: doctor.judge_hooks(0, (), (), ())[0],
        Health.WARNING,
        "docs/hooks.md",
    ),
    (
        lambda: doctor.judge_dispatch("127.0.0.1:3780", "cannot be reached"),
        lambda: doctor.judge_dispatch("127.0.0.1:3780", ""),
        Health.PROBLEM,
        "T3_DISPATCH",
    ),
    (
        lambda: people.judge_serve("ann", START, fenced=True, running=False),
        lambda: people.judge_serve("ann", START, fenced=False, running=True),
        Health.PROBLEM,
        "t3safe recover",
    ),
    (
        lambda: people.judge_serve("ann", START, fenced=False, running=False),
        lambda: people.judge_serve("ann", START, fenced=False, running=True),
        Health.WARNING,
        START,
    ),
    (
        lambda: people.judge_data(
            "ann", held("ann", "process 42 (sqlite3) has state.sqlite open"), "x"
        ),
        lambda: people.judge_data("ann", None, ""),
        Health.PROBLEM,
        "close it",
    ),
    (
        lambda: people.judge_times("ann", ("an activity is dated 2045-01-01 00:00 UTC",))[0],
        lambda: people.judge_clock(NOW, NOW, None),
        Health.WARNING,
        "the clock was once set ahead",
    ),
    (
        lambda: people.judge_data("ann", None, "the rehearsal failed"),
        lambda: people.judge_data("ann", None, ""),
        Health.PROBLEM,
        "in the runbook",
    ),
    (
        lambda: people.judge_unreadable("ann", "state.sqlite is not a database"),
        lambda: people.judge_data("ann", None, ""),
        Health.PROBLEM,
        "t3safe snapshots ann",
    ),
    (
        lambda: people.judge_room(Room("snapshots", "/b", 10 * MIB - 1, 10 * MIB)),
        lambda: people.judge_room(Room("snapshots", "/b", 10 * MIB, 10 * MIB)),
        Health.PROBLEM,
        "du -xsh /b",
    ),
    (
        lambda: doctor.judge_compiling("24.1.0", "", ()),
        lambda: doctor.judge_compiling("24.1.0", "/usr", ()),
        Health.WARNING,
        (
            "apt-get install libnode-dev, if node is Debian's; otherwise unpack the headers of"
            " exactly this node, and set `npm_node_headers` to the folder that holds include/node"
        ),
    ),
    (
        lambda: doctor.judge_compiling("24.1.0", "", ("make", "g++"), fetched=True),
        lambda: doctor.judge_compiling("24.1.0", "", (), fetched=True),
        Health.WARNING,
        "apt-get install g++ make python3",
    ),
    (
        lambda: doctor.judge_one_registry("registry.example", "mirror.example"),
        lambda: doctor.judge_one_registry("registry.example", "registry.example"),
        Health.WARNING,
        "set `registry` in the configuration to the right one",
    ),
    (
        lambda: people.judge_load(
            Pressure(cpu=Stall(99, 99), processors=2), PressureLimits(), None
        ),
        lambda: people.judge_load(Pressure(cpu=Stall(99, 9), processors=2), PressureLimits(), None),
        Health.WARNING,
        "see what runs at that hour (top, iotop), or move the timer; `pressure.*` sets the limits",
    ),
    (
        lambda: people.judge_load(
            Pressure(), PressureLimits(), datetime(2026, 6, 15, 4, 1, tzinfo=UTC)
        ),
        lambda: people.judge_load(Pressure(), PressureLimits(), None),
        Health.PROBLEM,
        "see what runs at that hour (top, iotop), or move the timer; `pressure.*` sets the limits",
    ),
    (
        lambda: people.judge_clock(NOW, datetime(2026, 6, 15, 4, 1, tzinfo=UTC), None),
        lambda: people.judge_clock(NOW, NOW, None),
        Health.PROBLEM,
        "timedatectl set-ntp true",
    ),
    (
        lambda: people.judge_clock(NOW, None, date(2026, 6, 17)),
        lambda: people.judge_clock(NOW, None, date(2026, 6, 16)),
        Health.PROBLEM,
        "timedatectl set-ntp true",
    ),
    (
        lambda: people.judge_journal("/j", "row 3 missing from index"),
        lambda: people.judge_journal("/j", ""),
        Health.PROBLEM,
        "t3safe recover",
    ),
    (
        lambda: people.judge_newer_journal(
            "the journal /j was written by t3safe 99.1, in format 3"
        ),
        lambda: people.judge_journal("/j", ""),
        Health.PROBLEM,
        "install the t3safe that the line names",
    ),
    (
        lambda: people.judge_notes(("cannot read /s/last-good: no version",))[0],
        lambda: people.judge_notes(())[0],
        Health.PROBLEM,
        "fix that file",
    ),
    (
        lambda: people.judge_unfinished("20260615T040000Z-ab"),
        lambda: people.judge_unfinished(""),
        Health.PROBLEM,
        "t3safe recover",
    ),
    (
        lambda: people.judge_snapshot("ann", "s1", "cannot verify snapshot s1 of ann"),
        lambda: people.judge_snapshot("ann", "s1", ""),
        Health.PROBLEM,
        "t3safe snapshot ann",
    ),
    (
        lambda: doctor.judge_paths((("ann", ()), ("ben", ("/a",))), ("/a", "/b"))[0],
        lambda: doctor.judge_paths((("ann", ("/b",)),), ("/a", "/b"))[0],
        Health.PROBLEM,
        "dispatch_knows.paths",
    ),
    (
        lambda: doctor.judge_programs("ann", (".local/bin/t3",)),
        lambda: doctor.judge_programs("ann", ()),
        Health.WARNING,
        "npm uninstall -g t3",
    ),
    (
        lambda: doctor.judge_offered(BUILD, NODES, "20.1.0"),
        lambda: doctor.judge_offered(BUILD, NODES, "24.10.0"),
        Health.WARNING,
        f"install a node that satisfies {NODES}",
    ),
    (
        lambda: doctor.judge_persons_folder("ann", evolve(SOUND, ours=False, mode=0o700)),
        lambda: doctor.judge_persons_folder("ann", evolve(SOUND, mode=0o700)),
        Health.PROBLEM,
        "chown -h ann",
    ),
    (
        lambda: doctor.judge_persons_folder("ann", evolve(SOUND, mode=0o750)),
        lambda: doctor.judge_persons_folder("ann", evolve(SOUND, there=False)),
        Health.PROBLEM,
        "chmod 700",
    ),
    (
        lambda: doctor.judge_notifications((("1 json", ""),), installed=False)[0],
        lambda: doctor.judge_notifications((("1 json", ""),), installed=True)[0],
        Health.PROBLEM,
        "pip install 't3safe[notify]'",
    ),
    (
        lambda: doctor.judge_notifications((("1 json", "not a URL"),), installed=True)[0],
        lambda: doctor.judge_notifications((), installed=False)[0],
        Health.PROBLEM,
        "t3safe notify test",
    ),
    (
        lambda: doctor.judge_notifications((("1 json", ""),), installed=True, exposed="/c")[0],
        lambda: doctor.judge_notifications((("1 json", ""),), installed=True)[0],
        Health.WARNING,
        "chmod 600 /c",
    ),
    (
        lambda: doctor.judge_no_ends("notify.urls_file: cannot read /u"),
        lambda: doctor.judge_notifications((), installed=True)[0],
        Health.PROBLEM,
        "t3safe notify test",
    ),
    (
        lambda: doctor.judge_folder(evolve(SOUND, there=False)),
        lambda: doctor.judge_folder(SOUND),
        Health.PROBLEM,
        "mkdir -p",
    ),
    (
        lambda: doctor.judge_folder(evolve(SOUND, ours=False)),
        lambda: doctor.judge_folder(SOUND),
        Health.PROBLEM,
        "chown",
    ),
    (
        lambda: doctor.judge_folder(evolve(SOUND, mode=0o775)),
        lambda: doctor.judge_folder(SOUND),
        Health.PROBLEM,
        "chmod go-w",
    ),
    (
        lambda: doctor.judge_folder(evolve(SOUND, mode=0o757)),
        lambda: doctor.judge_folder(evolve(SOUND, mode=0o711)),
        Health.PROBLEM,
        "chmod go-w",
    ),
]


@pytest.mark.parametrize(("failing", "fixed", "level", "fix"), FAILING)
def test_each_check_fails_with_its_fix_and_holds_once_fixed(
    failing: Judging, fixed: Judging, level: Health, fix: str
) -> None:
    """A finding that is not ok says what was seen and the command that fixes it."""
    found, once_fixed = failing(), fixed()
    assert found.level is level
    assert found.seen
    assert fix in found.fix
    assert (once_fixed.check, once_fixed.level, once_fixed.fix) == (found.check, Health.OK, "")


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_facts_comes_to_the_finding_that_was_reviewed(name: str) -> None:
    """Level, precondition, whom it names and what fixes it stand in one file for a reader."""
    assert told(name) == reviewed().get(name)


def test_the_reviewed_file_holds_these_cases_alone() -> None:
    """No finding stays there once its case is gone, and the order is that of the cases."""
    assert list(reviewed()) == list(CASES)


def test_all_that_the_native_program_lacks_is_named_with_each_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever installs what is missing does it once."""
    monkeypatch.setattr(package, "LIBRARIES", ("liba.so.1", "libb.so.1"))
    found = doctor.judge_program(NativeHost("x86_64", GLIBC), ())
    assert found.seen.partition(": ")[2] == (
        "t3's program needs liba.so.1, which this host does not have; "
        "t3's program needs libb.so.1, which this host does not have"
    )
    assert found.fix == (
        "install the package of the system that has liba.so.1; "
        "install the package of the system that has libb.so.1"
    )


def test_whoever_is_on_a_build_that_no_run_explains_is_named() -> None:
    """Each person has a line of their own, with the command that signs in as them."""
    found = people.judge_unexplained((("ann", "2"), ("ben", "3")), "1")
    assert [(item.level, item.seen) for item in found] == [
        (Health.WARNING, "no run explains why ann is on 2, not on last-good (1)"),
        (Health.WARNING, "no run explains why ben is on 3, not on last-good (1)"),
    ]
    assert all("t3safe recover" in item.fix for item in found)


def test_a_t3_before_the_launcher_and_every_other_installer_are_named() -> None:
    """Each bypass is a finding of its own; without a launcher nothing comes before it."""
    found = doctor.judge_installers("/usr/local/bin/t3", "/usr/bin/t3", ("/etc/cron.d/t3",))
    assert [one.level for one in found] == [Health.PROBLEM, Health.PROBLEM]
    assert found[0].fix == "rm /usr/local/bin/t3"
    assert "/etc/cron.d/t3" in found[1].fix
    for first, launcher in (("/usr/bin/t3", "/usr/bin/t3"), ("", "/usr/bin/t3"), ("/x/t3", "")):
        (only,) = doctor.judge_installers(first, launcher, ())
        assert only.level is Health.OK


def test_a_cookie_must_be_known_by_its_whole_name() -> None:
    """A name that only begins like a known one is another cookie."""
    cookies = (("ann", PLAIN_COOKIE), ("ben", f"{PLAIN_COOKIE}_abc"))
    (found,) = doctor.judge_cookies(cookies, (PLAIN_COOKIE,))
    assert (found.level, found.check) == (Health.PROBLEM, Precondition.COOKIES)
    assert "ben" in found.seen
    (held,) = doctor.judge_cookies(cookies, (PLAIN_COOKIE, f"{PLAIN_COOKIE}_[a-f]+"))
    assert held.level is Health.OK


def test_a_protocol_must_be_passed_on() -> None:
    """The page of a person is empty where it is not."""
    spoken = (("ann", 1), ("ben", 2))
    (found,) = doctor.judge_protocols(spoken, (1,))
    assert (found.level, found.check) == (Health.PROBLEM, Precondition.PROTOCOLS)
    assert "ben needs protocol 2" in found.seen.replace("the serve of ", "")
    (held,) = doctor.judge_protocols(spoken, (1, 2))
    assert held.level is Health.OK


def test_units_that_are_missing_changed_or_disabled_are_told_apart() -> None:
    """One command fixes them; a change may be the owner's and is a warning."""
    found = doctor.judge_units(("/a",), ("/b",), ("t3-autoupdate.timer",))
    assert [one.level for one in found] == [Health.PROBLEM, Health.WARNING, Health.PROBLEM]
    assert {one.fix for one in found} == {"t3safe units install"}
    assert doctor.judge_units((), (), ())[0].level is Health.OK


def test_timers_users_and_lines_of_the_map_are_named_one_by_one() -> None:
    """Whoever fixes them needs each."""
    (timer,) = doctor.judge_timers(("t3-autoupdate.timer",))
    assert (timer.level, "systemctl revert" in timer.fix) == (Health.PROBLEM, True)
    (user,) = doctor.judge_users(("t3safe-npm",))
    assert (user.level, user.fix) == (Health.PROBLEM, "t3safe units install")
    (line,) = people.judge_map(1, ("line 2: no '='",), "/m")
    assert (line.level, line.fix) == (Health.WARNING, "fix that line of /m")
    for found in (doctor.judge_timers(()), doctor.judge_users(()), people.judge_map(2, (), "/m")):
        assert found[0].level is Health.OK


def test_rehearsals_that_are_not_kept_apart_are_told() -> None:
    """Nothing falls back: what was chosen is told, and what cannot be had is a problem."""
    none = doctor.judge_sandbox("", "unshare: Operation not permitted", "do this")
    assert (none.level, none.fix) == (Health.PROBLEM, "do this")
    assert "rehearsals cannot run here: unshare: Operation" in none.seen
    plain = doctor.judge_sandbox("plain", "")
    assert (plain.level, "worktrees and projects too" in plain.seen) == (Health.WARNING, True)
    assert doctor.judge_sandbox("namespace", "").level is Health.OK


def test_a_persons_timers_need_their_manager_to_linger() -> None:
    """Else nothing runs at night; what fixes a timer of theirs asks their own manager."""
    (found,) = doctor.judge_timers((), own=True, lingers=False)
    assert (found.level, "loginctl enable-linger" in found.fix) == (Health.PROBLEM, True)
    (timer,) = doctor.judge_timers(("t3-autoupdate.timer",), own=True)
    assert timer.fix.startswith("systemctl --user revert")


def test_hosts_without_launcher_or_snapshots_yet_are_no_problem() -> None:
    """What a host does not have, or not yet, cannot be broken."""
    assert doctor.judge_launcher("", "").level is Health.OK
    assert people.judge_snapshot("ann", "", "").level is Health.OK


def test_the_worst_finding_decides_and_unknown_is_never_ok() -> None:
    """A problem comes before unknown, unknown before a warning; nothing at all is ok."""
    sound = findings.ok(Precondition.NPM, "there")
    unknown = findings.unknown(Precondition.NPM, "may not look")
    warning = people.judge_serve("ann", START, fenced=False, running=False)
    problem = people.judge_unfinished("r")
    assert unknown.fix
    assert findings.worst(()) is Health.OK
    assert findings.worst((sound,)) is Health.OK
    assert findings.worst((warning, sound)) is Health.WARNING
    assert findings.worst((unknown, warning)) is Health.UNKNOWN
    assert findings.worst((problem, unknown)) is Health.PROBLEM


def test_a_person_without_a_time_after_now_has_no_finding_of_the_clock() -> None:
    """The clock itself has one already."""
    assert people.judge_times("ann", ()) == ()


def test_a_selection_that_leads_nowhere_is_a_problem_with_its_command() -> None:
    """Neither serve nor sign-in of that person can start."""
    found = people.judge_dead_link("ben", "cannot tell what ben runs: a link to 0.0.27")
    assert found == Finding(
        Precondition.SERVES,
        Health.PROBLEM,
        "cannot tell what ben runs: a link to 0.0.27",
        "t3safe rollback ben --to VERSION",
    )


def test_a_serve_outside_of_the_map_is_a_problem() -> None:
    """With what to do about it."""
    found = people.judge_unmapped(Unmapped("carl", 5, "0.0.28"))
    assert (found.check, found.level) == (Precondition.SERVES, Health.PROBLEM)
    assert found.seen == "carl runs t3 0.0.28 (process 5) and is not in the user map"
    assert found.fix.startswith("add a line `login=carl`")


def test_one_cause_is_told_by_one_check() -> None:
    """Rule 4: by the one that calls it a problem, else by the first; the others are skipped."""
    missing = people.judge_no_map("no user map; write one", "/m")
    assert missing.seen == "no user map"
    alone = findings.unknown(Precondition.NPM, "may not look")
    looks = (
        alone,
        findings.unknown(Precondition.INSTALLERS, "no user map; write one"),
        missing,
        findings.unknown(Precondition.SERVES, "no user map"),
        findings.unknown(Precondition.CLOCK, "may not look"),
        findings.ok(Precondition.DISK, "room"),
        findings.ok(Precondition.LOAD, "room"),
    )
    told = findings.without_repeats(looks)
    assert [(found.check, found.seen, found.fix) for found in told if found not in looks] == [
        (Precondition.INSTALLERS, "skipped: no user map", "see user-map"),
        (Precondition.SERVES, "skipped: no user map", "see user-map"),
        (Precondition.CLOCK, "skipped: may not look", "see npm"),
    ]
    assert [found.level for found in told] == [found.level for found in looks]


FIRST = BEFORE_SCOPES.marked_by
OF_V1 = SetLedger.of({V1_DATABASE: Ledger.of([(1, FIRST), (31, V1.marked_by)])})
OF_V2 = SetLedger.of({V2_DATABASE: Ledger.of([(1, FIRST), (31, V1.marked_by), (55, V2.marked_by)])})
NEXT = "0.0.46-nightly.20261010.2922"


def test_each_trace_of_t3s_own_updater_is_a_finding() -> None:
    """It says what it means, and what the person may do; without any there is nothing to do."""
    state = ServiceState(NEXT, "committed", BUILD, NEXT)
    found = people.judge_updater("ann", Traces((NEXT,), state, unit=True))
    assert [one.level for one in found] == [Health.WARNING] * 3
    assert found[0].seen.startswith("ann: trace of t3's own updater: the unit t3code.service (")
    assert found[0].fix.endswith("systemctl --user disable --now t3code.service")
    assert f"{NEXT} migrated the data" in found[1].seen
    (none,) = people.judge_updater("ann", NO_TRACES)
    assert (none.level, none.fix) == (Health.OK, "")


def generation(
    build: SetLedger | None, held: SetLedger, candidate: SetLedger | None = None, to: str = NEXT
) -> Finding:
    """Judge the generation of ann, whose data has 120 MiB."""
    new = people.Candidate(to, candidate)
    return people.judge_generation("ann", BUILD, (build, held), 120 * MIB, new)


def test_the_generation_of_a_person_and_of_the_candidate_are_told() -> None:
    """Also what the first start of the next one costs, once."""
    seen = f"ann: V1 ({BUILD}, state.sqlite)"
    found = generation(OF_V1, OF_V1, OF_V2)
    assert found.level is Health.OK
    assert found.seen == (
        f"{seen}; candidate {NEXT}: V2: the first start copies up to 120 MiB, only once"
    )
    assert generation(OF_V1, OF_V1, OF_V1).seen == f"{seen}; candidate {NEXT}: V1"
    assert generation(None, OF_V1, OF_V1, BUILD).seen == seen


def test_whoever_is_on_v2_has_nothing_to_copy_any_more() -> None:
    """The copy is taken once."""
    both = SetLedger((*OF_V1.databases, *OF_V2.databases))
    seen = generation(OF_V2, both, OF_V2).seen
    assert seen == f"ann: V2 ({BUILD}, state.sqlite, statev2.sqlite); candidate {NEXT}: V2"


def test_a_candidate_that_nobody_measured_has_no_generation_yet() -> None:
    """It is not told by the version."""
    assert generation(OF_V1, OF_V1).seen.endswith(
        f"candidate {NEXT}: the gate finds its generation"
    )


def test_a_candidate_of_no_known_generation_says_what_is_new() -> None:
    """The gate refuses it, with the same words."""
    third = SetLedger.of({LATER_DATABASE: Ledger.of([(1, FIRST)])})
    seen = generation(OF_V1, OF_V1, third).seen
    assert f"candidate {NEXT}: unknown, it makes statev3.sqlite" in seen


def test_a_set_of_no_known_generation_is_a_problem() -> None:
    """A third database is named; so is a ledger that no generation has."""
    third = SetLedger((*OF_V2.databases, (LATER_DATABASE, Ledger.of([(1, FIRST)]))))
    found = generation(OF_V2, third)
    assert found.level is Health.PROBLEM
    assert "it has statev3.sqlite, which no generation" in found.seen
    other = SetLedger.of({V1_DATABASE: Ledger.of([(1, "Other")])})
    found = generation(None, other)
    assert found.level is Health.PROBLEM
    assert "unknown" in found.seen


def test_a_person_without_data_has_no_generation() -> None:
    """A database that is not t3's says nothing."""
    assert generation(OF_V1, SetLedger()).seen == "ann: no data yet"
    notes = SetLedger.of({"notes.sqlite": Ledger()})
    assert generation(OF_V1, notes).seen == "ann: no data yet"
