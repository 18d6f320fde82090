"""The two rollouts that a timer starts: `run` for all people, `drain` for deferred ones.

Rules:

1. The unfinished run comes first; if it ends badly, this run ends, too.
2. A frozen host moves no one.  The recovery of a person in transition is not a move and goes on.
3. A drain stages and rehearses only when a waiting person is idle.
4. A port error before a plan is opened is "later": the run touched no person.
5. An overloaded host is "later", too, and loud once that lasts (see `loadguard`).
6. A person whose selection is a dead link is left out, and named with the command that repairs it;
   the others go on.  A serve of a user who is not in the user map is named.
7. At the end the fleet learns what this run and those before it found, and gets its slot back.
"""

from __future__ import annotations

from datetime import timedelta

import attrs

from t3safe.domain import events as ev
from t3safe.domain.errors import PortError, SelectionError
from t3safe.domain.policy import Offer, Policy, Proceed, Skip, SkipReason, choose, closed
from t3safe.domain.runs import ON_NEW, overdue
from t3safe.domain.text import day
from t3safe.domain.versions import Version, days_behind
from t3safe.usecases.host import Host, Result, deferrals, start, unwell
from t3safe.usecases.recover import lift_fences, prove_unexplained, settle
from t3safe.usecases.survey import Survey, survey


def run(host: Host) -> Result:
    """Move the host to the newest build that passes the gate, or say why not."""
    return _told(host, _run(host))


def _run(host: Host) -> Result:
    seen = _ready(host)
    if isinstance(seen, Result):
        return seen
    choice, offer = _chosen(host, seen)
    unbaked = _unbaked(host, seen, choice)
    if unbaked is not None:
        baked = start(host, unbaked)
        if baked.outcome is not ev.Outcome.PROMOTED or not isinstance(choice, Proceed):
            return _loudly(host, baked, seen, offer)
        seen = attrs.evolve(survey(host, repair=False), warnings=seen.warnings)
    return _loudly(host, _begun(host, ev.Kind.RUN, choice, seen), seen, offer)


def drain(host: Host) -> Result:
    """Move people who were deferred and are idle now."""
    return _told(host, _drain(host))


def _told(host: Host, result: Result) -> Result:
    """Tell the fleet what is left to tell, whatever the result (rule 7)."""
    return attrs.evolve(result, warnings=result.warnings + host.ports.permit.send())


def _drain(host: Host) -> Result:
    seen = _ready(host)
    if isinstance(seen, Result):
        return seen
    return _loudly(host, _begun(host, ev.Kind.DRAIN, _drainable(host, seen), seen), seen, None)


def _begun(host: Host, kind: ev.Kind, choice: Proceed | Skip, seen: Survey) -> Result:
    if isinstance(choice, Proceed):
        return start(host, planned(host, kind, choice, seen))
    return Result(None, choice.reason, stayed=choice.why, known=choice.known)


def _ready(host: Host) -> Survey | Result:
    """Recover, survey the host and prove unexplained builds; or return why no run may begin."""
    left = settle(host) or unwell(lift_fences(host))
    if left is not None:
        return left
    seen = survey(host, repair=True)
    if seen.standing.frozen:
        return seen
    proof = prove_unexplained(host)
    warnings = (*seen.warnings, *proof.warnings)
    if proof.stayed is not SkipReason.NOTHING:
        return attrs.evolve(proof, warnings=warnings)
    return attrs.evolve(seen, warnings=warnings)


def candidate(host: Host, seen: Survey) -> tuple[Proceed | Skip, tuple[str, ...]]:
    """Return tonight's candidate, or why there is none, with tonight's warnings."""
    choice, offer = _chosen(host, seen)
    return choice, _warnings(host, seen, offer, seen.standing.last_good)


def _chosen(host: Host, seen: Survey) -> tuple[Proceed | Skip, Offer | None]:
    """Apply the policy; return its choice with the registry's offer, None when it was not asked."""
    now = host.ports.clock.now()
    shut = closed(seen.policy, seen.standing, now.astimezone())
    if shut is not None:
        return shut, None
    try:
        offer = offered(host, seen.policy)
    except PortError as error:
        return Skip(SkipReason.LATER, str(error)), None
    return choose(seen.policy, seen.standing, offer, now), offer


def _loudly(host: Host, result: Result, seen: Survey, offer: Offer | None) -> Result:
    """Add the warnings to a result: about the host after it, not before it."""
    promoted = result.rollout if result.outcome is ev.Outcome.PROMOTED else None
    last_good = promoted.plan.candidate if promoted is not None else seen.standing.last_good
    warnings = _warnings(host, seen, offer, last_good)
    nothing_to_do = offer is not None and result.stayed is SkipReason.NOTHING
    if result.held_up or result.run or nothing_to_do:
        now = host.ports.clock.now()
        warnings += host.guard.loud(now, held_up=result.held_up)
    return attrs.evolve(result, warnings=warnings)


def _warnings(
    host: Host, seen: Survey, offer: Offer | None, last_good: Version | None
) -> tuple[str, ...]:
    """Return the survey's warnings, people who wait too long, and how far the host lags."""
    warnings = list(seen.warnings)
    waiting = (item for item in deferrals(host, seen.people) if item.person in seen.people)
    warnings += (
        f"DEFERRED TOO LONG: {item.person} waits for {item.build} since {day(item.since)}"
        f" ({item.reason}); `t3safe drain` moves them when idle"
        for item in overdue(waiting, host.ports.clock.now(), host.rules.deferred_max)
    )
    newest = offer.tag if offer is not None else None
    days = days_behind(last_good, newest)
    if days is not None and timedelta(days=days) > host.rules.stale_after:
        warnings.append(f"STALE: {last_good} is {days} days behind {newest}")
    return tuple(warnings)


def offered(host: Host, policy: Policy) -> Offer | None:
    """Ask the registry what this policy needs; None when a pin decides.  Raises RegistryError."""
    if policy.pin is not None:
        return None
    history = bool(policy.age_min or policy.held)
    return host.ports.registry.offer(policy.track, history=history)


def _drainable(host: Host, seen: Survey) -> Proceed | Skip:
    policy, standing = seen.policy, seen.standing
    shut = closed(attrs.evolve(policy, window=None), standing, host.ports.clock.now())
    if shut is not None:
        return shut
    here = set(seen.people)
    waiting = {
        item.person: item.build for item in deferrals(host, seen.people) if item.person in here
    }
    if not waiting:
        return Skip(SkipReason.NOTHING, "nobody waits to be moved")
    proven = (standing.last_good,) if standing.last_good is not None else ()
    build = max((*waiting.values(), *proven))
    calm = attrs.evolve(policy, age_min=timedelta(0))
    choice = choose(calm, standing, Offer(build), host.ports.clock.now())
    if isinstance(choice, Skip):
        return choice
    idle = tuple(person for person in choice.people if person in waiting and _idle(host, person))
    if not idle:
        return Skip(SkipReason.NOTHING, f"no waiting person is idle: {', '.join(sorted(waiting))}")
    return attrs.evolve(choice, people=idle)


def _idle(host: Host, person: str) -> bool:
    try:
        return host.idle.assess(person).readiness is ev.Readiness.IDLE
    except PortError:
        return False


def _unbaked(host: Host, seen: Survey, choice: Proceed | Skip) -> ev.Plan | None:
    """Plan the bake of people whom an interrupted run had moved.

    It comes before other people move to the same build.  None when there is a newer build to move
    to, or when no run may act.
    """
    if isinstance(choice, Skip) and choice.why is not SkipReason.NOTHING:
        return None
    builds, refused = dict(seen.standing.builds), dict(seen.standing.refused)
    for record in host.ports.journal.runs():
        build = record.candidate
        if record.kind in {ev.Kind.CHECK, ev.Kind.BACK}:
            continue
        if record.ended is not None and record.ended.outcome is ev.Outcome.PROMOTED:
            return None
        if isinstance(choice, Proceed) and choice.candidate != build:
            return None
        moved = tuple(
            move.person
            for move in record.moves
            if move.status in ON_NEW and builds.get(move.person) == build
        )
        if moved and build not in refused:
            plan = planned(host, ev.Kind.BAKE, Proceed(build, ()), seen)
            return attrs.evolve(plan, baking=moved)
    return None


def planned(host: Host, kind: ev.Kind, go: Proceed, seen: Survey) -> ev.Plan:
    """Plan a run of this kind.  Raises SelectionError when no build is selected on this host."""
    builds = dict(seen.standing.builds)
    # A check measures again; an earlier rehearsal does not answer it.
    known = None if kind is ev.Kind.CHECK else host.ports.builds.schema(go.candidate)
    moves = tuple(
        ev.MovePlan(person, builds[person], go.candidate, knows=known) for person in go.people
    )
    # This build is the control on empty data.
    base = host.ports.selection.default() or seen.standing.last_good
    if base is None:
        if not moves:
            message = "no build is selected on this host; `t3safe adopt` takes over the present t3"
            raise SelectionError(message)
        base = moves[0].old
    return ev.Plan(
        run=host.name_run(host.ports.clock.now()),
        kind=kind,
        candidate=go.candidate,
        base=base,
        moves=moves,
        bake=host.rules.bake,
        attempts_max=host.rules.attempts_max,
        on_person_failure=host.rules.on_person_failure,
        staying=go.stay,
        all_people=seen.people,
        ring=host.ports.permit.ring if kind in {ev.Kind.RUN, ev.Kind.DRAIN} else "",
    )
