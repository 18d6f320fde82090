"""Recovery: unfinished runs, fences without a run, builds without a run.

Rules:

1. The unfinished run comes first.  A person in transition is recovered even while the host is
   frozen.
2. A fenced person without a run in the journal (a journal was lost) is in transition, too.  Their
   data decides: the fence is lifted, or it stays and a human is needed.
3. When a person runs a build that is not last-good, and no run explains it, t3safe signs in as that
   person before it reports nothing to do.  A person who cannot sign in needs a human, and no one is
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
    all_people,
    left_in_a_run,
    resume,
    start,
    unwell,
)
from t3safe.usecases.survey import fenced


def recover(host: Host, *, boot: bool = False) -> Result | None:
    """Recover people whom an earlier process left half moved; None when no run is unfinished.

    At boot, before the serves start, it does only what needs no serve.
    """
    waits = waits_for_boot if boot else None
    settled = resume(host, waits) or lift_fences(host, waits)
    if settled is not None or boot:
        return settled
    proof = prove_unexplained(host)
    return proof if proof.warnings else None


def settle(host: Host) -> Result | None:
    """Finish the unfinished run (rule 1); None when there was none, or it ended well."""
    return unwell(resume(host))


def lift_fences(host: Host, waits: Waits | None = None) -> Result | None:
    """Lift fences that no run explains (rule 2); stop at the first that does not end well."""
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
    """Plan the rollback of one person."""
    people, _ = all_people(host)
    return ev.Plan(
        run=host.name_run(host.ports.clock.now()),
        kind=ev.Kind.BACK,
        candidate=move.new,
        base=move.old,
        moves=(move,),
        attempts_max=host.rules.attempts_max,
        force=force,
        all_people=people,
    )


def _stuck(person: str, why: str) -> Result:
    """Return the result for a fence that only a human may lift."""
    fix = f"`t3safe snapshots {person}` lists what is kept; see NEEDS A HUMAN in the runbook"
    text = f"NEEDS A HUMAN: {person} is fenced, and no run tells why: {why}; {fix}"
    return Result(ev.Outcome.NEEDS_HUMAN, text, warnings=(text,))


def writer_of(host: Host, person: str, *, unfailed: bool) -> Version | None:
    """Return the build that wrote a person's data, by snapshots.  Raises PersonalDataError."""
    states = host.ports.personal_data
    if states.restoring(person):
        return None
    present, builds = states.ledger(person), host.ports.builds.present()
    return writer(states.snapshots(person), present, builds, unfailed=unfailed)


def unexplained(host: Host) -> tuple[tuple[str, Version], ...]:
    """Return the people on a build that is not last-good and that no run explains.

    Their journal was lost.  A person whose selection cannot be read is left out; other checks
    report that.  Raises JournalError, SelectionError.
    """
    selection, read = host.ports.selection, Reader()
    # Journal and last-good lie in one folder and are lost together; the default lies elsewhere.
    last_good = selection.last_good() or selection.default()
    if last_good is None:
        return ()
    people, _ = read(partial(all_people, host)) or ((), ())
    chosen = {person: read(partial(selection.selected, person)) for person in people}
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
    """Sign in as each person whose build no run explains (rule 3); change nothing.

    A result with an outcome, or one whose `stayed` is LATER, stops the run.  `warnings` name each
    person who was tried.
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
    warnings = (*bad, *unknown, *lines)
    if bad:
        text = f"NEEDS A HUMAN: {'; '.join(bad)}"
        return Result(ev.Outcome.NEEDS_HUMAN, text, warnings=(text, *warnings[len(bad) :]))
    if unknown:
        return Result(None, unknown[0], stayed=SkipReason.LATER, warnings=warnings)
    return Result(None, "sign-in works", stayed=SkipReason.NOTHING, warnings=warnings)


def _signs_in(host: Host, person: str, build: Version) -> ev.Paired | ev.NotPaired | None:
    """Sign in as a person; None when their serve is stopped and no run is to blame.

    In that case the launcher noted that it started this build last, as for a person who is new in
    the map.  A lost run leaves no such note.
    """
    if not host.ports.services.status(person).running:
        noted = host.ports.residents.found((person,))
        if Resident(person, build) in noted:
            return None
    return host.ports.pairing.verify(person, build)
