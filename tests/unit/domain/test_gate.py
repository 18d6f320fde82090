from __future__ import annotations

import pytest
from attrs import evolve

from t3safe.domain.checks import (
    Check,
    CheckResult,
    DispatchKnowledge,
    IdentityFacts,
    LiveFacts,
    MigratedFacts,
    PairingFacts,
    PreservedFacts,
    SoakFacts,
    SocketFacts,
    failed,
    held_to,
    judge_contract,
    judge_identity,
    judge_live,
    judge_migrated,
    judge_package,
    judge_paired,
    judge_preserved,
    judge_reopened,
    judge_soak,
    passed,
)
from t3safe.domain.gate import (
    EMPTY,
    OnPersonFailure,
    Rehearsal,
    Ruling,
    faulty_sets,
    needs_control,
    rule,
)
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import BEFORE_SCOPES, EVENT_LOG, THREADS, V1, V2
from t3safe.t3.package import LAUNCHER, NAME, NODE_PROGRAM, PLATFORMS, REPOSITORY, PackageManifest
from t3safe.t3.sign_in import (
    BOOTSTRAP,
    BROWSER_SESSION,
    INVALID_CREDENTIAL,
    LINKS,
    PLAIN_COOKIE,
    SESSIONS,
)
from tests.support.personaldata import LATER_DATABASE

BUILD = Version.parse("0.0.28-nightly.20260616.571")
OLD = Version.parse("0.0.24")


def fails(result: CheckResult, check: Check, reason: str) -> bool:
    """Whether the check failed for exactly this reason, without notes."""
    return result == CheckResult(check, passed=False, reason=reason)


def test_the_checks_and_their_order_are_those_of_the_design() -> None:
    """The order is part of the promise: a build is not started before it is known."""
    assert [check.value for check in Check] == [
        "identity",
        "live",
        "migrated",
        "preserved",
        "paired",
        "contract",
        "reopened",
        "soak",
    ]


# 1. identity

IDENTITY = IdentityFacts(
    name="t3",
    repository=f"git+https://{REPOSITORY}.git",
    bins=("t3",),
    engines="^22.16 || ^23.11 || >=24.10",
    node="24.11.1",
    reported="0.0.28-nightly.20260616.571",
)


def test_the_real_package_is_itself() -> None:
    """Name, repository, program, node and version agree."""
    assert judge_identity(BUILD, IDENTITY) == passed(Check.IDENTITY)


def test_facts_are_those_of_the_package_json() -> None:
    """What it says goes in unjudged, beside what was printed."""
    said = {"name": "t3", "bin": {"t3": NODE_PROGRAM}, "engines": {"node": ">=24"}}
    facts = IdentityFacts.of(
        PackageManifest.read(said), node="24.0.0", reported="0.0.28", launches="x"
    )
    assert facts == IdentityFacts(
        "t3", "", ("t3",), ">=24", "24.0.0", "0.0.28", entry=NODE_PROGRAM, launches="x"
    )
    assert IdentityFacts.of(PackageManifest.read(said)) == evolve(
        facts, node="", reported="", launches=""
    )


def test_a_package_is_judged_before_any_of_its_code_runs() -> None:
    """Neither node nor the printed version counts yet."""
    assert judge_package(evolve(IDENTITY, node="", reported="")) == passed(Check.IDENTITY)
    result = judge_package(evolve(IDENTITY, name="other"))
    assert fails(result, Check.IDENTITY, "the package calls itself 'other', not 't3'")


def test_a_launcher_over_a_native_program_is_refused() -> None:
    """It passes the start lock on to nobody: what it starts could not be waited for."""
    result = judge_identity(BUILD, evolve(IDENTITY, launches=f"{PLATFORMS}linux-x64"))
    what = "its program only starts another one, of @t3code/t3-linux-x64"
    how = "`t3safe check VERSION` has that one executed"
    assert fails(result, Check.IDENTITY, f"{what}; {how}")


def test_a_program_of_an_unknown_shape_is_refused() -> None:
    """How it starts t3 is not known: neither are its signals, nor what else it needs."""
    for entry in (NODE_PROGRAM, LAUNCHER, ""):
        assert judge_identity(BUILD, evolve(IDENTITY, entry=entry)).passed
    result = judge_identity(BUILD, evolve(IDENTITY, entry="bin/t3.sh"))
    what = "its program is 'bin/t3.sh', which no t3 that is known here has"
    assert fails(result, Check.IDENTITY, f"{what} (dist/bin.mjs, bin/t3.js); update t3safe")
    result = judge_identity(BUILD, evolve(IDENTITY, entry="x" * 500))
    assert result.reason.startswith(f"its program is '{'x' * 200}', which")


@pytest.mark.parametrize(
    "url",
    [
        f"https://{REPOSITORY}",
        f"https://{REPOSITORY}.git",
        f"https://{REPOSITORY}/",
        f"http://{REPOSITORY}",
        f"git+ssh://git@{REPOSITORY}.git",
        f"git://{REPOSITORY}.git",
        f"git@{REPOSITORY.replace('/', ':', 1)}.git",
        f"  https://{REPOSITORY}  ",
    ],
)
def test_one_repository_has_many_spellings(url: str) -> None:
    """Each form that npm writes names the same repository."""
    assert judge_identity(BUILD, evolve(IDENTITY, repository=url)).passed


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://github.com/someone/t3",
        f"https://{REPOSITORY}-fork",
        f"https://{REPOSITORY}.git.example.org",
        f"https://example.org/{REPOSITORY}",
        f"https://example.org/?{REPOSITORY}",
        f"https://my{REPOSITORY}",
    ],
)
def test_a_foreign_repository_is_refused(url: str) -> None:
    """Incident of 2026-03-12: t3@0.0.1 is an unrelated time tracker."""
    result = judge_identity(BUILD, evolve(IDENTITY, repository=url))
    assert fails(result, Check.IDENTITY, f"the package names repository {url!r}, a foreign one")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (evolve(IDENTITY, name="t4"), "the package calls itself 't4', not 't3'"),
        (
            evolve(IDENTITY, bins=(f"{NAME}code", f"{NAME}-cli")),
            "the package has no program 't3' in its bin entry",
        ),
        (evolve(IDENTITY, bins=()), "the package has no program 't3' in its bin entry"),
        (
            evolve(IDENTITY, node="20.19.0"),
            "the package needs node ^22.16 || ^23.11 || >=24.10, the units run node 20.19.0",
        ),
        (
            evolve(IDENTITY, node="24.9.9"),
            "the package needs node ^22.16 || ^23.11 || >=24.10, the units run node 24.9.9",
        ),
        (
            evolve(IDENTITY, node=""),
            (
                "the package needs node ^22.16 || ^23.11 || >=24.10, "
                "and the units' `node --version` prints no version"
            ),
        ),
        (
            evolve(IDENTITY, node="what"),
            "cannot compare node 'what' with engines '^22.16 || ^23.11 || >=24.10'",
        ),
        (
            evolve(IDENTITY, engines="a recent one"),
            "cannot compare node '24.11.1' with engines 'a recent one'",
        ),
        (
            evolve(IDENTITY, reported="0.0.28"),
            "`t3 --version` prints 0.0.28, expected 0.0.28-nightly.20260616.571",
        ),
        (
            evolve(IDENTITY, reported=""),
            "`t3 --version` prints nothing, expected 0.0.28-nightly.20260616.571",
        ),
    ],
)
def test_a_package_that_is_not_what_it_should_be_is_refused(
    facts: IdentityFacts, reason: str
) -> None:
    """Each fact is decisive and named."""
    assert fails(judge_identity(BUILD, facts), Check.IDENTITY, reason)


@pytest.mark.parametrize("node", ["22.16.0", "22.99.0", "23.11.0", "24.10.0", "26.0.0"])
def test_every_node_in_the_range_is_taken(node: str) -> None:
    """The range is npm's, with its alternatives."""
    assert judge_identity(BUILD, evolve(IDENTITY, node=node)).passed


@pytest.mark.parametrize(
    "engines", [">= 24.10", "^ 22.16 || >=  24.10", ">=24.10", "> 24.9 < 25", "~ 24.11"]
)
def test_a_range_is_read_with_or_without_a_blank_after_its_operators(engines: str) -> None:
    """Either is a range to npm, so a package that writes either is not refused for it."""
    assert judge_identity(BUILD, evolve(IDENTITY, engines=engines)).passed
    assert not judge_identity(BUILD, evolve(IDENTITY, engines=engines, node="20.19.0")).passed


def test_a_package_without_engines_runs_on_any_node() -> None:
    """The field is optional; what is not demanded is not missed."""
    assert judge_identity(BUILD, evolve(IDENTITY, engines="", node="")).passed


# 2. live

LIVE = LiveFacts(answered=True, own_process=True, exited=None, seconds=1.2345, deadline=30.0)


def test_a_serve_that_answers_is_live() -> None:
    """The time that it took is noted."""
    assert judge_live(LIVE) == passed(Check.LIVE, "answered after 1.2 s")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (evolve(LIVE, exited=0), "the serve ended with status 0"),
        (
            evolve(LIVE, answered=False, exited=1, log_tail="file is not a database"),
            "the serve ended with status 1: file is not a database",
        ),
        (
            evolve(LIVE, answered=False, own_process=False),
            "the serve did not answer within 30 s (`gate.deadline`, `gate.deadline_per_gib`)",
        ),
        (
            evolve(LIVE, seconds=30.1),
            (
                "the serve answered after 30.1 s, allowed are 30 s (`gate.deadline`, "
                "`gate.deadline_per_gib`)"
            ),
        ),
        (
            evolve(LIVE, exited=-9, log_tail="Listening", memory_max=2 * 1024**3),
            (
                "the serve ended with status -9: Listening; it was killed, perhaps for memory: its "
                "limit is 2.0 GiB (`gate.memory_max`, `gate.memory_max_per_gib`)"
            ),
        ),
        (
            evolve(LIVE, exited=1, log_tail="heap out of memory", memory_max=2 * 1024**3),
            (
                "the serve ended with status 1: heap out of memory; its heap follows its limit of "
                "memory: its limit is 2.0 GiB (`gate.memory_max`, `gate.memory_max_per_gib`)"
            ),
        ),
        (
            evolve(LIVE, build="0.0.46", version="0.0.45"),
            "the serve says that it is '0.0.45', not 0.0.46",
        ),
        (
            evolve(LIVE, own_process=False),
            "the port was answered by another process than the serve",
        ),
    ],
)
def test_a_serve_that_does_not_live_is_told_by_how(facts: LiveFacts, reason: str) -> None:
    """A serve that answered and then ended did not live; nor does a stranger on its port."""
    assert fails(judge_live(facts), Check.LIVE, reason)


def test_a_serve_that_says_which_version_it_is_says_the_builds() -> None:
    """One that does not say it is not blamed: old releases have no descriptor."""
    assert judge_live(evolve(LIVE, build="0.0.46", version="0.0.46")).passed
    assert judge_live(evolve(LIVE, build="0.0.46")).passed


def test_a_serve_that_answers_at_its_very_deadline_is_live() -> None:
    """Only what comes after it is late."""
    assert judge_live(evolve(LIVE, seconds=30.0)).passed


# 3. migrated

L30 = Ledger.of([(29, "Ordering"), (30, "Archive")])
L33 = Ledger.of([(29, "Ordering"), (30, "Archive"), (31, "Scopes"), (32, "Thumbprint"), (33, "X")])
L32 = Ledger.of([(29, "Ordering"), (30, "Archive"), (31, "Scopes"), (32, "Thumbprint")])


def state(ledger: Ledger) -> SetLedger:
    """Give a set of one database."""
    return SetLedger.of({V1_DATABASE: ledger})


HELD = tuple(passed(check) for check in Check)


def test_a_copy_that_ends_like_the_empty_set_stays_as_it_was_judged() -> None:
    """Check 3 in hindsight: nothing differs, or nothing is known to differ from."""
    assert held_to(HELD, state(L32), state(L32)) == HELD
    assert held_to(HELD, state(L32), None) == HELD


@pytest.mark.parametrize(
    ("after", "reason"), [(L33, "the build does not know"), (L30, "the migrated copy has not")]
)
def test_a_copy_that_ends_otherwise_fails_in_hindsight(after: Ledger, reason: str) -> None:
    """Check 3 fails with the reason, and the checks after it count no more."""
    found = held_to(HELD, state(after), state(L32))
    assert [result.check for result in found] == [Check.IDENTITY, Check.LIVE, Check.MIGRATED]
    assert not found[-1].passed
    assert reason in found[-1].reason


def test_a_copy_that_failed_before_keeps_its_own_reason() -> None:
    """What went wrong first is what is told."""
    dead = (passed(Check.IDENTITY), failed(Check.LIVE, "it ended"))
    assert held_to(dead, None, state(L32)) == dead
    assert held_to(HELD, None, state(L32)) == HELD, "its ledger is not known"
    assert held_to(dead, state(L30), state(L32)) == dead


MIGRATED = MigratedFacts(before=state(L30), after=state(L32), schema=state(L32))


def test_a_ledger_that_grew_to_that_of_the_empty_set_is_migrated() -> None:
    """The levels are noted."""
    assert judge_migrated(MIGRATED) == passed(Check.MIGRATED, "ledger 30 -> 32")


def test_a_build_without_new_migrations_is_migrated() -> None:
    """Nothing to add is the most common night."""
    same = evolve(MIGRATED, before=state(L32))
    assert judge_migrated(same) == passed(Check.MIGRATED, "ledger 32 -> 32")


def test_the_empty_set_is_judged_without_a_schema() -> None:
    """Its own ledger is what the others are compared with."""
    real = state(Ledger.of([(1, BEFORE_SCOPES.marked_by), (32, "AuthPairingProofKeyThumbprint")]))
    empty = MigratedFacts(before=SetLedger(), after=real, schema=None)
    assert judge_migrated(empty) == passed(Check.MIGRATED, "ledger 0 -> 32")


def test_what_fits_no_known_generation_is_refused_with_what_is_new() -> None:
    """A third database, or a ledger without the names that tell, waits for a newer t3safe."""
    third = SetLedger.of({LATER_DATABASE: Ledger.of([(70, "OrchestrationV3")])})
    for after, new in ((third, "it makes statev3.sqlite"), (state(L32), "fit no generation")):
        result = judge_migrated(MigratedFacts(before=SetLedger(), after=after, schema=None))
        assert (result.check, result.passed) == (Check.MIGRATED, False)
        assert new in result.reason
        assert "update t3safe" in result.reason


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (
            evolve(MIGRATED, damage=("state.sqlite: row 7 missing from index", "more")),
            "quick_check: state.sqlite: row 7 missing from index",
        ),
        (
            evolve(MIGRATED, before=state(L32), after=state(L30), schema=state(L30)),
            "the ledger lost state.sqlite: 31_Scopes, state.sqlite: 32_Thumbprint",
        ),
        (
            evolve(MIGRATED, after=SetLedger(), before=SetLedger(), schema=None),
            "the serve made no ledger",
        ),
        (
            evolve(MIGRATED, schema=state(L30)),
            "the build does not know state.sqlite: 31_Scopes, state.sqlite: 32_Thumbprint",
        ),
        (
            evolve(MIGRATED, after=state(L30)),
            (
                "the build knows state.sqlite: 31_Scopes, state.sqlite: 32_Thumbprint, "
                "the migrated copy has not"
            ),
        ),
    ],
)
def test_a_ledger_that_does_not_fit_is_told_by_its_migrations(
    facts: MigratedFacts, reason: str
) -> None:
    """What vanished, what the build does not know and what it failed to add are three things."""
    assert fails(judge_migrated(facts), Check.MIGRATED, reason)


def test_another_name_under_the_same_id_is_not_migrated() -> None:
    """Incident of 2026-08-28: t3's migrator skips it in silence; names are compared."""
    foreign = state(Ledger.of([(29, "Ordering"), (30, "SisterProduct")]))
    after = state(Ledger.of([(29, "Ordering"), (30, "SisterProduct"), (31, "Scopes")]))
    result = judge_migrated(MigratedFacts(foreign, after, state(L32)))
    assert fails(result, Check.MIGRATED, "the build does not know state.sqlite: 30_SisterProduct")


def test_an_older_build_on_newer_data_is_not_migrated() -> None:
    """Incident of 2026-06-05: 0.0.25 outranks a nightly that knows more; ledgers tell."""
    result = judge_migrated(MigratedFacts(state(L32), state(L32), state(L30)))
    assert not result.passed
    assert result.reason.startswith("the build does not know state.sqlite: 31_Scopes")


@pytest.mark.parametrize(("count", "more"), [(3, ""), (4, " and 1 more"), (5, " and 2 more")])
def test_a_long_list_of_migrations_is_cut_and_says_so(count: int, more: str) -> None:
    """Three are named, the others are counted."""
    many = state(Ledger.of([(number, "M") for number in range(1, count + 1)]))
    result = judge_migrated(MigratedFacts(many, SetLedger(), None))
    three = ", ".join(f"{V1_DATABASE}: {number}_M" for number in (1, 2, 3))
    expected = f"the ledger lost {three}{more}"
    assert fails(result, Check.MIGRATED, expected)


# 4. preserved

ROWS = {
    f"{V1_DATABASE}:{EVENT_LOG}": 1000,
    f"{V1_DATABASE}:{THREADS}": 100,
    f"{V1_DATABASE}:{SESSIONS}": 4,
    f"{V1_DATABASE}:{LINKS}": 9,
}


def preserved(lost: tuple[str, ...] = (), tolerance: float = 0.1, **left: int) -> CheckResult:
    """Judge a migration that left these rows of these tables."""
    after = ROWS | {f"{V1_DATABASE}:{table}": rows for table, rows in left.items()}
    return judge_preserved(PreservedFacts(ROWS, after, lost), tolerance)


def test_a_migration_that_keeps_every_row_preserves() -> None:
    """More rows than before are no loss."""
    assert preserved() == passed(Check.PRESERVED)
    assert preserved(projection_threads=101, orchestration_events=1002) == passed(Check.PRESERVED)


def test_one_event_that_is_gone_is_fatal() -> None:
    """Whatever the counts say: the log may have gained other rows."""
    lost = "1 rows of orchestration_events are gone (state.sqlite)"
    result = preserved((lost,), tolerance=1.0, orchestration_events=1005)
    assert fails(result, Check.PRESERVED, lost)


def test_a_loss_within_the_tolerance_is_a_note() -> None:
    """Clean-up migrations exist."""
    expected = passed(Check.PRESERVED, "state.sqlite:projection_threads: 100 -> 90 rows")
    assert preserved(projection_threads=90) == expected


def test_a_loss_beyond_the_tolerance_is_fatal() -> None:
    """One row more is too much, and the counts are told."""
    result = preserved(projection_threads=89)
    reason = "a table with work shrinks, state.sqlite:projection_threads: 100 -> 89 rows"
    assert fails(result, Check.PRESERVED, reason)


@pytest.mark.parametrize(("rows", "tolerance"), [(10, 0.3), (100, 0.29), (1000, 0.057)])
def test_a_tolerance_of_whole_rows_is_not_lost_to_rounding(rows: int, tolerance: float) -> None:
    """0.29 of 100 rows is 28.999999999999996 of them in binary; 29 rows may go, and no more."""
    share = round(rows * tolerance)
    before = {f"{V1_DATABASE}:{THREADS}": rows}
    for lost, good in ((share, True), (share + 1, False)):
        after = {f"{V1_DATABASE}:{THREADS}": rows - lost}
        assert judge_preserved(PreservedFacts(before, after), tolerance).passed is good


def test_without_a_tolerance_one_row_is_fatal() -> None:
    """Zero means zero."""
    assert not preserved(tolerance=0.0, projection_threads=99).passed


def test_a_table_that_vanished_has_lost_all_its_rows() -> None:
    """A dropped table is a table without rows."""
    after = {name: rows for name, rows in ROWS.items() if "threads" not in name}
    result = judge_preserved(PreservedFacts(ROWS, after), 0.1)
    reason = "a table with work shrinks, state.sqlite:projection_threads: 100 -> 0 rows"
    assert fails(result, Check.PRESERVED, reason)


def test_sign_ins_that_are_dropped_are_reported_and_not_fatal() -> None:
    """Migration 31 rebuilds both tables: people sign in again, no work is lost."""
    expected = passed(
        Check.PRESERVED,
        f"{V1_DATABASE}:{LINKS}: 9 -> 1 rows ({V1.may_shrink[LINKS]})",
        f"{V1_DATABASE}:{SESSIONS}: 4 -> 0 rows ({V1.may_shrink[SESSIONS]})",
    )
    assert preserved(tolerance=0.0, auth_sessions=0, auth_pairing_links=1) == expected


def test_a_database_may_have_a_colon_in_its_name() -> None:
    """The table is what stands behind the last one."""
    before = {f"copy:2.sqlite:{SESSIONS}": 4}
    assert judge_preserved(PreservedFacts(before, {}), 0.0).passed
    before = {f"{SESSIONS}:{THREADS}": 4}
    assert not judge_preserved(PreservedFacts(before, {}), 0.0).passed
    became = {"copy:2.sqlite": V2_DATABASE}
    facts = PreservedFacts({f"copy:2.sqlite:{THREADS}": 4}, {f"{V2_DATABASE}:{THREADS}": 4})
    assert judge_preserved(evolve(facts, became=became), 0.0).passed


def test_a_table_of_work_is_not_excused_by_a_name_that_ends_alike() -> None:
    """Only the whole name of a table makes it one of sign-ins."""
    before = {f"{V1_DATABASE}:my_{SESSIONS}": 4}
    assert not judge_preserved(PreservedFacts(before, {}), 0.0).passed


def moved_up(written: tuple[str, ...] = (), **left: int) -> CheckResult:
    """Judge a first start of V2, which copied the rows and left so many of these tables."""
    after = ROWS | {name.replace("state.", "statev2."): rows for name, rows in ROWS.items()}
    after |= {f"{V2_DATABASE}:{table}": rows for table, rows in left.items()}
    became = {V1_DATABASE: V2_DATABASE}
    facts = PreservedFacts(ROWS, after, (), became, written, V2.may_shrink)
    return judge_preserved(facts, 0.0)


def test_rows_are_looked_for_in_the_database_that_became_of_theirs() -> None:
    """V2 copies V1's database: a thread that is missing in the copy is lost."""
    assert moved_up() == passed(Check.PRESERVED)
    result = moved_up(projection_threads=99)
    reason = "a table with work shrinks, statev2.sqlite:projection_threads: 100 -> 99 rows"
    assert fails(result, Check.PRESERVED, reason)


def test_what_a_generation_compacts_may_shrink() -> None:
    """V2 drops events that are superseded; V1 never did."""
    result = moved_up(orchestration_events=10)
    note = "statev2.sqlite:orchestration_events: 1000 -> 10 rows (t3 compacts it on purpose)"
    assert result == passed(Check.PRESERVED, note)
    assert not preserved(tolerance=0.0, orchestration_events=10).passed


def test_a_database_that_is_left_behind_stays_as_it_is() -> None:
    """A person goes back to it: a V2 build that writes to it is refused."""
    result = moved_up((V1_DATABASE,))
    reason = "state.sqlite is not this build's any more, and was written to"
    assert fails(result, Check.PRESERVED, reason)


def test_several_losses_are_told_together() -> None:
    """Three are named, the others are counted."""
    result = preserved(("one", "two", "three", "four"))
    assert fails(result, Check.PRESERVED, "one, two, three and 1 more")


# 5. paired

PAIRED = PairingFacts(
    minted=True,
    path=BROWSER_SESSION,
    status=200,
    cookie=PLAIN_COOKIE,
    authenticated=True,
    authenticated_again=True,
)


def test_a_whole_handshake_is_paired() -> None:
    """Path and cookie are noted."""
    expected = passed(Check.PAIRED, "/api/auth/browser-session, cookie t3_session")
    assert judge_paired(PAIRED) == expected


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (
            evolve(PAIRED, minted=False, mint_problem="no column named role"),
            "the mint failed: no column named role",
        ),
        (evolve(PAIRED, minted=False), "the mint failed: nothing printed"),
        (
            evolve(PAIRED, path="", tried=(BROWSER_SESSION, BOOTSTRAP)),
            (
                "no path takes the credential "
                "(tried /api/auth/browser-session and /api/auth/bootstrap)"
            ),
        ),
        (evolve(PAIRED, path=""), "no path takes the credential (tried no path)"),
        (evolve(PAIRED, status=500), "POST /api/auth/browser-session answers 500"),
        (
            evolve(PAIRED, status=401, refusal=INVALID_CREDENTIAL),
            "POST /api/auth/browser-session answers 401 (invalid_credential)",
        ),
        (evolve(PAIRED, status=201), "POST /api/auth/browser-session answers 201"),
        (
            evolve(PAIRED, cookie=""),
            "POST /api/auth/browser-session answers 200 without a session cookie",
        ),
        (
            evolve(PAIRED, authenticated=False),
            "the cookie t3_session does not authenticate",
        ),
        (
            evolve(PAIRED, authenticated_again=False),
            "a second request with the cookie is not authenticated",
        ),
    ],
)
def test_a_handshake_is_told_by_its_first_broken_step(facts: PairingFacts, reason: str) -> None:
    """A 200 without a cookie, and a cookie that does not authenticate, pair nobody."""
    assert fails(judge_paired(facts), Check.PAIRED, reason)


def test_a_cookie_of_any_length_is_shown_short() -> None:
    """A hostile name does not fill the log."""
    result = judge_paired(evolve(PAIRED, cookie="c" * 500))
    assert result.notes == (f"/api/auth/browser-session, cookie {'c' * 64}",)


# 6. contract

NEW_PATH, OLD_PATH = BROWSER_SESSION, BOOTSTRAP


@pytest.mark.parametrize("path", [NEW_PATH, OLD_PATH])
def test_the_dispatch_knows_both_paths_that_t3_has_had(path: str) -> None:
    """Without settings the dispatch is one that falls back."""
    assert judge_contract(path, PLAIN_COOKIE, DispatchKnowledge()) == passed(Check.CONTRACT)


def test_an_unknown_path_comes_second_to_the_dispatch() -> None:
    """Incident of 2026-06-03: the pairing endpoint was renamed."""
    result = judge_contract(NEW_PATH, PLAIN_COOKIE, DispatchKnowledge(paths=(OLD_PATH,)))
    reason = f"update the dispatch first: it is not known to use the path {NEW_PATH}"
    assert fails(result, Check.CONTRACT, reason)


@pytest.mark.parametrize(
    "cookie", [f"{PLAIN_COOKIE}_0a1b2c3d4e5f", f"x{PLAIN_COOKIE}", PLAIN_COOKIE[:-1], ""]
)
def test_an_unknown_cookie_comes_second_to_the_dispatch(cookie: str) -> None:
    """Incident of 2026-08-24: the name must be known as a whole."""
    result = judge_contract(NEW_PATH, cookie, DispatchKnowledge())
    reason = f"update the dispatch first: it is not known to use the cookie {cookie}"
    assert fails(result, Check.CONTRACT, reason)


def test_a_cookie_is_known_by_any_of_its_forms() -> None:
    """Each known form is a regular expression for the whole name."""
    known = DispatchKnowledge(cookies=(PLAIN_COOKIE, f"{PLAIN_COOKIE}_[0-9a-f]{{12}}"))
    assert judge_contract(NEW_PATH, f"{PLAIN_COOKIE}_0a1b2c3d4e5f", known).passed
    assert not judge_contract(NEW_PATH, f"{PLAIN_COOKIE}_0a1b2c3d4e5f0", known).passed


BOTH = DispatchKnowledge(protocols=(1, 2))


@pytest.mark.parametrize(
    ("sockets", "known", "reason"),
    [
        (SocketFacts(), DispatchKnowledge(), ""),
        (SocketFacts(protocol=2, wants=2), BOTH, ""),
        (SocketFacts(protocol=2, wants=2), DispatchKnowledge(protocols=()), ""),
        (
            SocketFacts(protocol=2),
            DispatchKnowledge(),
            (
                "update the dispatch first: it is not known to pass on protocol 2 of /ws "
                "(`dispatch_knows.protocols`)"
            ),
        ),
        (
            SocketFacts(wants=2),
            DispatchKnowledge(),
            (
                "update the dispatch first: it is not known to pass on protocol 2 of /ws "
                "(`dispatch_knows.protocols`)"
            ),
        ),
        (
            SocketFacts(wants=0),
            BOTH,
            (
                "/ws refuses a client that names no protocol and does not say which it wants: this "
                "version of t3safe does not know it; update t3safe"
            ),
        ),
        (
            SocketFacts(wants=1),
            BOTH,
            (
                "/ws refuses a client that names no protocol and does not say which it wants: this "
                "version of t3safe does not know it; update t3safe"
            ),
        ),
        (
            SocketFacts(protocol=2, wants=2, refused=True),
            BOTH,
            "/ws refuses a client of protocol 2, which the serve itself names",
        ),
        (
            SocketFacts(protocol=2, answered=False),
            BOTH,
            "/ws does not answer a client of protocol 2",
        ),
    ],
)
def test_the_dispatch_passes_on_the_protocol_of_the_sockets(
    sockets: SocketFacts, known: DispatchKnowledge, reason: str
) -> None:
    """Known is the first alone: a page that cannot open its socket shows nothing."""
    result = judge_contract(NEW_PATH, PLAIN_COOKIE, known, sockets)
    assert result == (failed(Check.CONTRACT, reason) if reason else passed(Check.CONTRACT))


# 7. reopened


def test_a_second_start_that_lives_and_pairs_is_reopened() -> None:
    """The result is that of the pairing, under its own name."""
    expected = passed(Check.REOPENED, "/api/auth/browser-session, cookie t3_session")
    assert judge_reopened(LIVE, PAIRED) == expected


def test_a_second_start_that_fails_is_told_before_its_pairing() -> None:
    """Incident of 2026-09-14: a build that worked once."""
    result = judge_reopened(evolve(LIVE, exited=1), evolve(PAIRED, minted=False))
    assert fails(result, Check.REOPENED, "the serve ended with status 1")


def test_a_second_start_that_does_not_pair_is_not_reopened() -> None:
    """To live is not enough the second time either."""
    result = judge_reopened(LIVE, evolve(PAIRED, cookie=""))
    assert result.check is Check.REOPENED
    assert "without a session cookie" in result.reason


# 8. soak

SOAK = SoakFacts(asked=90.0, endured=90.0, exited=None)


def test_a_serve_that_endures_is_soaked() -> None:
    """The whole time was watched and nothing was said."""
    assert judge_soak(SOAK) == passed(Check.SOAK)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (
            evolve(SOAK, exited=134, endured=61.4, log_errors=("heap out of memory",)),
            "the serve ended with status 134 after 61.4 s: heap out of memory",
        ),
        (
            evolve(SOAK, exited=134, endured=61.4, memory_max=2**30),
            (
                "the serve ended with status 134 after 61.4 s; its heap follows its limit of "
                "memory: its limit is 1.0 GiB (`gate.memory_max`, `gate.memory_max_per_gib`)"
            ),
        ),
        (
            evolve(
                SOAK, exited=1, endured=5.0, log_errors=("heap out of memory",), memory_max=2**30
            ),
            (
                "the serve ended with status 1 after 5 s: heap out of memory; its heap follows its "
                "limit of memory: its limit is 1.0 GiB (`gate.memory_max`, "
                "`gate.memory_max_per_gib`)"
            ),
        ),
        (
            evolve(SOAK, exited=1, endured=5.0, log_errors=("x" * 500, "second")),
            f"the serve ended with status 1 after 5 s: {'x' * 200}",
        ),
        (evolve(SOAK, exited=0, endured=20.0), "the serve ended with status 0 after 20 s"),
        (
            evolve(SOAK, log_errors=("PersistenceDecodeError: turnId", "second")),
            "its log says: PersistenceDecodeError: turnId",
        ),
        (evolve(SOAK, log_errors=("x" * 500,)), f"its log says: {'x' * 200}"),
        (evolve(SOAK, endured=89.0), "watched for 89 s of 90 s only"),
    ],
)
def test_a_serve_that_does_not_endure_is_told_by_how(facts: SoakFacts, reason: str) -> None:
    """Incident of 2026-09-08: a serve that answers and dies 20 to 82 seconds later."""
    assert fails(judge_soak(facts), Check.SOAK, reason)


# Rehearsals and the verdict.

ALL_PASSED = tuple(passed(check) for check in Check)


def rehearsal(subject: str, build: Version = BUILD, failing: str = "") -> Rehearsal:
    """Give a rehearsal that passed, or that failed its second check for this reason."""
    if not failing:
        return Rehearsal(subject, build, ALL_PASSED, state(L32))
    return Rehearsal(subject, build, (ALL_PASSED[0], failed(Check.LIVE, failing)))


def test_a_rehearsal_passes_only_with_all_checks_in_order() -> None:
    """Eight, each once, each passed, in the order of the list."""
    assert Rehearsal("alice", BUILD, ALL_PASSED, state(L32)).passed
    assert Rehearsal("alice", BUILD, ALL_PASSED, state(L32)).reason == ""


def test_a_rehearsal_that_learned_no_schema_does_not_pass() -> None:
    """Nothing could hold the build to what it knows (I1), whatever the checks say."""
    found = Rehearsal("alice", BUILD, ALL_PASSED)
    assert not found.passed
    assert found.reason == "nothing tells what the build knows"


@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        ((), "not every check was run"),
        (ALL_PASSED[:-1], "not every check was run"),
        (ALL_PASSED[1:], "not every check was run"),
        ((*ALL_PASSED, ALL_PASSED[-1]), "not every check was run"),
        ((ALL_PASSED[1], ALL_PASSED[0], *ALL_PASSED[2:]), "not every check was run"),
        ((*ALL_PASSED[:-1], failed(Check.SOAK, "it died")), "soak: it died"),
        ((ALL_PASSED[0], failed(Check.LIVE, "it died")), "live: it died"),
    ],
)
def test_any_other_rehearsal_does_not_pass(checks: tuple[CheckResult, ...], reason: str) -> None:
    """What was not run has not passed."""
    for schema in (None, state(L32)):
        found = Rehearsal("alice", BUILD, checks, schema)
        assert not found.passed
        assert found.reason == reason


def rehearsals(told: str, build: Version) -> tuple[Rehearsal, ...]:
    """Read `alice bob=reason`; empty data is `empty`, an underscore a blank."""
    found = (word.partition("=") for word in told.split())
    return tuple(
        rehearsal(who.replace("empty", EMPTY), build, why.replace("_", " "))
        for who, _, why in found
    )


def test_the_control_is_needed_for_whom_it_failed() -> None:
    """In the order of the rehearsals, empty data among them."""
    assert needs_control(rehearsals("empty=x alice bob=x", BUILD)) == (EMPTY, "bob")


RULES = """
a build that passes for all has passed
    empty alice bob / / both: passed
a failure whose control passes is the build's
    empty alice=died bob / empty alice / refuse: refused, alice died
a failure on empty data names it
    empty=died alice / empty / both: refused, empty died
where every control fails too the gate is broken, with both reasons
    empty=x alice=x bob=x / empty=x alice=x bob=x / both: gate-broken, empty+alice+bob x, old x
rule 3: a set on which also the person's own build fails is at fault
    empty alice=33 bob / empty alice=33 / refuse: passed without alice, alice 33, old 33
rule 3: a set at fault says nothing of a build that fails somebody else
    empty alice=33 bob=old_rows / empty alice=33 bob / refuse: refused, bob old rows
rule 3: a person alone is judged by the rehearsal on empty data, which must be held and pass
    empty alice=33 / empty alice=33 / refuse: passed without alice, alice 33, old 33
    empty alice=x / empty=x alice=x / refuse: gate-broken
    empty alice=x / alice=x / refuse: gate-broken
rule 3: sets of all people at once are the gate's fault
    empty alice=x bob=x / empty alice=x bob=x / refuse: gate-broken
a failure without a control counts against the gate, whoever else has one
    empty alice=x bob / / refuse: gate-broken
    empty alice=x bob / empty / refuse: gate-broken
    empty alice=x bob / bob / refuse: gate-broken
one failure that the control does not share is enough
    empty alice=died bob=x carol / alice bob=x / refuse: refused, alice died
one reason for many is said once, in the order of the rehearsals
    empty=died alice=died bob=died / empty alice bob / refuse: refused, empty+alice+bob died
only figures may differ where people are named together
    empty ann=row_12 bob=x cat=row_7 / ann bob cat / refuse: refused, ann+cat row 12, bob x
hold-back holds back, whatever the control says
    empty alice=old_rows bob / / hold-back: passed without alice, alice old rows
    empty alice=old_rows bob / alice=x / hold-back: passed without alice, alice old rows
    empty alice=old_rows bob / alice / hold-back: passed without alice, alice old rows
    empty alice=old_rows bob / empty alice / hold-back: passed without alice, alice old rows
hold-back holds everybody back who failed
    empty ann=x bob=no_bin cat / ann bob=y / hold-back: passed without ann bob, ann x, bob no bin
hold-back needs empty data and somebody who passes
    empty=x alice bob / empty alice bob / hold-back: refused
    empty=x alice=x bob / empty alice bob / hold-back: refused
    empty alice=x bob=x / empty alice bob / hold-back: refused
    empty alice=x / empty alice / hold-back: refused
    empty=x alice bob / empty=x alice=x bob=x / hold-back: gate-broken
    empty alice=x bob=x / empty=x alice=x bob=x / hold-back: gate-broken
"""
"""What passed and failed, the same of the control, the policy: the verdict and its reasons."""


@pytest.mark.parametrize("line", [line for line in RULES.splitlines() if line.startswith(" ")])
def test_the_verdict(line: str) -> None:
    """Only what the control does not share is held against the build."""
    given, _, expected = line.partition(":")
    found, control, policies = given.split("/")
    verdict, *reasons = expected.strip().split(", ")
    ruling, _, held = verdict.partition(" without ")
    who, told = "", []
    for reason in reasons:
        first, _, why = reason.partition(" ")
        who = who if first == "old" else first.replace("empty", "empty data").replace("+", ", ")
        told.append(f"{who} on {OLD if first == 'old' else BUILD}: live: {why}")
    for policy in OnPersonFailure:
        if policies.strip() in {"both", policy}:
            rehearsed = rehearsals(found, BUILD), rehearsals(control, OLD)
            said = rule(*rehearsed, policy)
            assert (said.build, said.ruling) == (BUILD, Ruling(ruling))
            assert said.held_back == tuple(held.split())
            assert said.reasons == tuple(told) or (said.reasons and not told)


def test_the_sets_at_fault_are_named() -> None:
    """Rule 4: those alone on which also the person's own build fails, where others pass."""
    for found, control, faulty in (
        ("empty alice=33 bob", "empty alice=33", ("alice",)),
        ("empty alice=33 bob=x", "empty alice=33 bob", ("alice",)),
        ("empty alice=x bob=x", "empty alice=x bob=x", ()),
    ):
        assert faulty_sets(rehearsals(found, BUILD), rehearsals(control, OLD)) == faulty


def test_the_empty_set_of_another_build_does_not_vouch_for_a_control() -> None:
    """Rule 4: the person's own build must run on empty data."""
    control = (*rehearsals("empty", BUILD), *rehearsals("alice=x", OLD))
    given = rule(rehearsals("empty alice=x bob", BUILD), control, OnPersonFailure.REFUSE)
    assert given.ruling is Ruling.BROKEN


def test_a_control_that_learned_no_schema_proves_nothing() -> None:
    """What would be no pass for the candidate is none for the control."""
    control = (Rehearsal("alice", OLD, ALL_PASSED),)
    given = rule(rehearsals("empty alice=x bob", BUILD), control, OnPersonFailure.REFUSE)
    assert given.ruling is Ruling.BROKEN


def test_rulings_are_named_as_the_journal_keeps_them() -> None:
    """Strings, so that a verdict of today is read tomorrow."""
    assert [ruling.value for ruling in Ruling] == ["passed", "refused", "gate-broken"]
    assert [policy.value for policy in OnPersonFailure] == ["refuse", "hold-back"]


def test_a_failed_check_carries_no_notes() -> None:
    """A note beside a failure would read as an excuse."""
    for check in (Check.LIVE, Check.REOPENED):
        assert judge_live(evolve(LIVE, exited=1), check).notes == ()
