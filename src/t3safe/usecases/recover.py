"""Recovery: what an interrupted run left, fences that no run explains, builds that none explains.

Rules:

1. The unfinished run comes first; recovering a person in transition goes on while frozen too.
2. A person who is fenced and of whom no run tells (a journal was lost) is in transition too.  The
   fence is lifted by a look at their data, or stays, and then a person is needed.
3. Where a person runs a build that is not last-good, and no run tells why, t3safe signs in as they
   do before there can be nothing to do.  A person who cannot sign in needs a human, and nobody is
   moved.
"""

from __future__ import annotations

from functools import partial

from t3safe.domain import events as ev
from t3safe.domain.errors import Fault, PersonalDataError, PortError
from t3safe.domain.policy import SkipReason
from t3safe.domain.ports import Resident
from t3safe.domain.rollback import writer
from t3safe.domain.versions import Version
from t3safe.engine import Waits, waits_for_boot
from t3safe.usecases.host import (
    ENDED_WELL,
    Host,
    Reader,
    Result,
    everybody,
    left_in_a_run,
    resume,
    start,
    unwell,
)
from t3safe.usecases.survey import fenced


def recover(host: Host, *, boot: bool = False) -> Result | None:
    """Settle whoever an earlier process left in transition; None where nothing is unfinished.

    At boot, before the serves are started, only what needs no serve is done.
    """
    waits = waits_for_boot if boot else None
    settled = resume(host, waits) or lift_fences(host, waits)
    if settled is not None or boot:
        return settled
    proof = prove_unexplained(host)
    return proof if proof.warnings else None


def settle(host: Host) -> Result | None:
    """Finish the unfinished run (rule 1): None where there was none, or it ended well."""
    return unwell(resume(host))


def lift_fences(host: Host, waits: Waits | None = None) -> Result | None:
    """Lift fences that no run explains (rule 2); ends with the first that does not end well."""
    result: Result | None = None
    for person in fenced(host):
        if left_in_a_run(host, person) is not None:
            continue
        result = _lift(host, person, waits)
        if result.outcome not in ENDED_WELL:
            return result
    return result


def _lift(host: Host, person: str, waits: Waits | None) -> Result:
    try:
        build = writer_of(host, person, unfailed=True)
    except PersonalDataError as error:
        return _stuck(person, str(error))
    if build is None:
        return _stuck(person, "no snapshot tells which build fits what is there")
    known = host.ports.personal_data.ledger(person)
    move = ev.MovePlan(person, build, build, knows=known)
    return start(host, plan_back(host, move, force=True), waits)


def plan_back(host: Host, move: ev.MovePlan, *, force: bool) -> ev.Plan:
    """Plan the way back of one person."""
    people, _ = everybody(host)
    return ev.Plan(
        run=host.name_run(host.ports.clock.now()),
        kind=ev.Kind.BACK,
        candidate=move.new,
        base=move.old,
        moves=(move,),
        attempts_max=host.rules.attempts_max,
        force=force,
        everybody=people,
    )


def _stuck(person: str, why: str) -> Result:
    """Tell of a fence that nobody may lift unseen."""
    fix = f"`t3safe snapshots {person}` lists what is kept; see NEEDS A HUMAN in the runbook"
    text = f"NEEDS A HUMAN: {person} is fenced, and no run tells why: {why}; {fix}"
    return Result(ev.Outcome.NEEDS_HUMAN, text, warnings=(text,))


def writer_of(host: Host, person: str, *, unfailed: bool) -> Version | None:
    """The build that wrote a person's set, by their snapshots.  Raises PersonalDataError."""
    states = host.ports.personal_data
    if states.restoring(person):
        return None
    present, builds = states.ledger(person), host.ports.builds.present()
    return writer(states.snapshots(person), present, builds, unfailed=unfailed)


def unexplained(host: Host) -> tuple[tuple[str, Version], ...]:
    """Who runs a build that is not last-good, of which no run tells: a journal was lost.

    Whoever cannot be told is left to whoever needs them.  Raises JournalError, SelectionError.
    """
    selection, told = host.ports.selection, Reader()
    # Journal and last-good lie in one folder and are lost together; the default lies elsewhere.
    last_good = selection.last_good() or selection.default()
    if last_good is None:
        return ()
    people, _ = told(partial(everybody, host)) or ((), ())
    chosen = {person: told(partial(selection.selected, person)) for person in people}
    left = {
        person: build
        for person, selected in chosen.items()
        if selected is not None and (build := selected.build) is not None and build != last_good
    }
    for run in host.ports.journal.runs() if left else ():
        for person, build in run.explains():
            if left.get(person) == build:
                del left[person]
    return tuple(left.items())


def prove_unexplained(host: Host) -> Result:
    """Sign in as everybody of whose build no run tells (rule 3); looks only.

    The result stops whatever comes next where it has an outcome or says `stayed`; `warnings`
    name everybody who was asked.
    """
    lines, bad, unknown = [], [], []
    for person, build in unexplained(host):
        head = f"UNEXPLAINED BUILD: no run tells why {person} is on {build}, not on last-good"
        way = f"`t3safe rollback {person}` starts the rollback"
        try:
            answer = _signs_in(host, person, build)
        except PortError as error:
            unknown.append(f"{head}; cannot tell whether sign-in works: {error}")
            continue
        match answer:
            case None | ev.Paired():
                rests = "it ran last, and is not running"
                lines.append(f"{head}; {rests if answer is None else 'sign-in works there'}")
            case ev.NotPaired(fault=Fault.ENVIRONMENT, reason=reason):
                unknown.append(f"{head}; cannot tell whether sign-in works: {reason}")
            case ev.NotPaired(reason=reason):
                bad.append(f"{head}; sign-in does not work: {reason}; {way}")
    told = (*bad, *unknown, *lines)
    if bad:
        text = f"NEEDS A HUMAN: {'; '.join(bad)}"
        return Result(ev.Outcome.NEEDS_HUMAN, text, warnings=(text, *told[len(bad) :]))
    if unknown:
        return Result(None, unknown[0], stayed=SkipReason.LATER, warnings=told)
    return Result(None, "everybody signs in", stayed=SkipReason.NOTHING, warnings=told)


def _signs_in(host: Host, person: str, build: Version) -> ev.Paired | ev.NotPaired | None:
    """Sign in as a person; None where there is nothing to sign in to, and no run is to blame.

    Then their serve does not run, and the launcher noted that it started this build last: so it
    is with somebody who is new in the map.  A run that was lost left no such note.
    """
    if not host.ports.services.status(person).running:
        noted = host.ports.residents.found((person,))
        if Resident(person, build) in noted:
            return None
    return host.ports.pairing.verify(person, build)
