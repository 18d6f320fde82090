"""What a person or a timer asks for, in terms of the ports: run, drain, check, recover, go back.

Each operation first finishes what an earlier process left unfinished, then asks the policy, then
lets the engine drive a plan.  Nothing here decides about builds: that is `policy`, `gate` and
`rollout`.

Rules:

1. What is unfinished comes first; a run that ended badly ends this one too.
2. Nothing moves while frozen; recovery of a person in transition is not a move and goes on.
3. A drain never stages or rehearses while nobody who waits is idle.
4. Errors of ports before a plan is opened are "later": nobody was touched.
5. An overloaded host is "later" too, and loud once that lasts (see `loadguard`).
6. Whoever is fenced and of whom no run tells (a journal was lost) is in transition too.  Their
   fence is lifted by looking, or stays, and then a person is needed.
7. Whoever runs a build that is not last-good, and of whom no run tells why, is signed in as before
   there can be nothing to do.  Who cannot sign in needs a person, and nobody is moved.
8. Somebody whose selection leads nowhere is left out and named with the command that repairs it;
   everybody else goes on.  A serve that runs for nobody in the user map is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import attrs
from attrs import field, frozen

from t3safe.domain import events as ev
from t3safe.domain import ports
from t3safe.domain.effects import Subject
from t3safe.domain.errors import (
    DeadLinkError,
    Fault,
    NoWayBackError,
    PortError,
    SelectionError,
    StateError,
)
from t3safe.domain.gate import EMPTY, OnPersonFailure
from t3safe.domain.goingback import Arrival, Preview, WayBack, writer
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.moves import Status
from t3safe.domain.obstacles import Obstacle, ahead, held, unknown_to_all
from t3safe.domain.people import MapProblem
from t3safe.domain.policy import Go, No, Offer, Policy, Standing, Stay, choose, closed
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.rollout import Rollout, used_by
from t3safe.domain.runretention import EVERY, Kept, explains, prunable, until
from t3safe.domain.summary import ON_NEW, after, deferrals
from t3safe.domain.unmapped import Unmapped, unmapped
from t3safe.domain.versions import Version, days_behind
from t3safe.domain.vitals import Deferral, overdue
from t3safe.engine import Engine, Interpreter, Waits, leads_back, rollout_of, waits_for_boot
from t3safe.loadguard import LoadGuard

_T = TypeVar("_T")


@frozen
class Rules:
    """The host owner's settings that the operations need; `bake` is in seconds."""

    policy: Policy = field(factory=Policy)
    bake: float = 600.0
    attempts_max: int = 3
    on_person_failure: OnPersonFailure = OnPersonFailure.REFUSE
    stale_after: timedelta = timedelta(days=14)
    deferred_max: timedelta = timedelta(days=7)
    journal_keep: timedelta = timedelta(days=400)


@frozen
class Result:
    """How an operation ended, for the exit status and one line to a person.

    `run` is empty where no rollout was opened.  `stayed` is set where the policy said no, `known`
    where that was told when it came about.  `held_up` says that the host is overloaded.
    `warnings` are loud lines beside the outcome.
    """

    outcome: ev.Outcome | None
    reason: str
    run: str = ""
    stayed: No | None = None
    known: bool = False
    held_up: bool = False
    warnings: tuple[str, ...] = ()
    rollout: Rollout | None = None


@frozen
class Reader:
    """Reads what can be read through the ports, and keeps why the rest could not be."""

    problems: list[str] = field(factory=list)

    def __call__(self, read: Callable[[], _T]) -> _T | None:
        """Give what was read, None where a port failed."""
        try:
            return read()
        except PortError as error:
            self.problems.append(str(error))
            return None


@frozen
class Survey:
    """What the policy is asked with, and what was noticed on the way there."""

    people: tuple[str, ...]
    policy: Policy
    standing: Standing
    warnings: tuple[str, ...]


@frozen
class Host:
    """The wired host: every port, the engine over them, and the owner's rules."""

    engine: Engine
    perform: Interpreter
    registry: ports.Registry
    people: ports.People
    choices: ports.Choices
    permit: ports.Permit
    rules: Rules
    name_run: Callable[[datetime], str]
    guard: LoadGuard = field(factory=LoadGuard)
    folded: dict[str, Rollout] = field(factory=dict, eq=False, repr=False)
    """Runs that are over, as far as this process has seen them: they never change again."""

    # What the host looks like.

    def everybody(self) -> tuple[tuple[str, ...], tuple[MapProblem, ...]]:
        """The people in the order in which they are moved, and what is wrong with the user map."""
        loaded = self.people.load()
        return tuple(person.name for person in loaded.people), loaded.problems

    def policy(self) -> Policy:
        """The owner's policy with what was pinned and held by hand; settings win over hand."""
        chosen = self.choices.chosen()
        policy = self.rules.policy
        held = policy.held | {version for version, _ in chosen.held}
        return attrs.evolve(policy, pin=policy.pin or chosen.pin, held=held)

    def standing(self, people: tuple[str, ...]) -> Standing:
        """How the host stands.

        Who is fenced is left out, because `recover` comes first, and so is whose selection leads
        nowhere (rule 8).
        """
        perform = self.perform
        selected = ((person, perform.chosen(person)) for person in people)
        frozen = perform.switch.frozen()
        return Standing(
            builds=tuple((person, build) for person, build in selected if build is not None),
            last_good=perform.selection.last_good(),
            frozen=frozen,
            # A frozen host asks nothing more: not even which gate this is.
            refused=() if frozen else perform.verdicts.refused(perform.gate.fingerprint()),
        )

    def survey(self, *, mend: bool) -> Survey:
        """Look at the host as a whole.

        With `mend` a launcher that another installer replaced is put back on the way, and whoever
        is new in the map gets what they run as their own.
        """
        mended = self.perform.selection.ensure_launcher() if mend else ""
        people, problems = self.everybody()
        if mend:
            self.perform.settle(people)
        told = Reader()
        strangers = told(partial(self.unmapped, people)) or ()
        return Survey(
            people=people,
            policy=self.policy(),
            standing=self.standing(people),
            warnings=(
                *_mended(mended),
                *_problems(problems),
                *(why for why in map(self.astray, people) if why),
                *map(str, strangers),
                *told.problems,
            ),
        )

    def ahead(self, person: str, ledger: SetLedger) -> Obstacle | None:
        """Say that no build here knows a person's data; None where one may.

        Raises BuildError, SelectionError.
        """
        builds = self.perform.builds
        runs = self.perform.chosen(person)
        if runs is None or builds.schema(runs) is None:
            return None
        schemas = (builds.schema(build) for build in builds.present())
        known = tuple(schema for schema in schemas if schema is not None)
        strange = unknown_to_all(ledger, known)
        if not strange:
            return None
        return ahead(person, strange, "any build here", self.perform.migrated_by(person))

    def obstacle(self, person: str) -> Obstacle | None:
        """Say what is wrong with a person's data alone; None where nothing is seen.

        Raises PortError where it cannot be looked at; so does data that cannot be read.
        """
        perform = self.perform
        found = self.ahead(person, perform.states.ledger(person))
        if found is not None:
            return found
        copy = perform.left_copy(person, perform.states.activity(person))
        if copy is not None:
            return copy
        holder = perform.states.holder(person, perform.services.status(person).members)
        return held(person, holder) if holder else None

    def left_behind(self) -> dict[str, str]:
        """Say whom the newest run left where they are for their own data, with the reason."""
        for record, rollout in self._rollouts():
            if record.plan.moves:
                return {
                    move.person: move.reason
                    for move in rollout.moves
                    if move.status in {Status.REFUSED, Status.HELD_BACK}
                    and self.perform.chosen(move.person) == move.plan.old
                }
        return {}

    def astray(self, person: str) -> str:
        """Say why a person's selection leads nowhere, with what repairs it; empty where it does."""
        try:
            self.perform.selection.selected(person)
        except DeadLinkError as error:
            return str(error)
        return ""

    def unmapped(self, people: tuple[str, ...]) -> tuple[Unmapped, ...]:
        """Name everybody outside of the user map whose serve runs.  Raises PeopleError."""
        return unmapped(self.perform.residents.running(), people)

    def deferrals(self, people: tuple[str, ...] = ()) -> tuple[Deferral, ...]:
        """Who of these `people` waits to be moved, of everybody where none are named."""
        waiting = deferrals(self.summary())
        return tuple(item for item in waiting if not people or item.person in people)

    def summary(self) -> ports.Summary:
        """What all runs come to; only those are read that the journal's own summary lacks."""
        journal = self.engine.journal
        anchor = journal.anchor()
        # The newest that names a run which is there: another is of a journal that was lost.
        kept = (anchor.summary if anchor is not None else None, journal.summary())
        known = {summary.run: summary for summary in kept if summary is not None}
        found = ports.Summary()
        later: list[ports.RunRecord] = []
        for record in journal.runs():
            if record.plan.run in known:
                found = known[record.plan.run]
                break
            later.append(record)
        for record in reversed(later):
            events = journal.events(record.plan.run)
            rollout = self.folded.get(record.plan.run) or self._remembered(rollout_of(events))
            found = after(found, record, rollout, events)
        return found

    def _ended(self, rollout: Rollout) -> Rollout:
        """Keep what a run that is over adds to the summary, and throw old runs away.

        Where either fails the run has ended all the same; the next one tries again.
        """
        journal = self.engine.journal
        if self._remembered(rollout).closed:
            with suppress(PortError):
                if journal.unfinished() is None:
                    summary = self.summary()
                    journal.keep(summary)
                    self._prune_runs(summary)
        return rollout

    def _prune_runs(self, summary: ports.Summary) -> None:
        """Throw away the runs that are old and that nothing needs (see `runretention`)."""
        journal, perform = self.engine.journal, self.perform
        before, anchor = until(journal.runs(), self.rules.journal_keep), journal.anchor()
        if before is None or (anchor is not None and before < anchor.until + EVERY):
            return
        people, _ = self.everybody()
        snapshots = (
            (person, info.stored.id)
            for person in people
            for info in perform.states.snapshots(person)
        )
        named = frozenset(past.run for past in summary.people)
        kept = Kept(frozenset(perform.builds.present()), frozenset(snapshots), named)
        every = ((record, self._folded(record.plan.run)) for record in journal.runs())
        journal.prune(prunable(every, before, kept), before, summary)

    def _rollouts(self) -> Iterator[tuple[ports.RunRecord, Rollout]]:
        """Every run that could change who runs or waits for what, newest first."""
        for record in self.engine.journal.runs():
            if record.plan.kind is not ev.Kind.CHECK:
                yield record, self._folded(record.plan.run)

    def _folded(self, run: str) -> Rollout:
        known = self.folded.get(run)
        if known is not None:
            return known
        return self._remembered(rollout_of(self.engine.journal.events(run)))

    def _remembered(self, rollout: Rollout) -> Rollout:
        if rollout.closed:
            self.folded[rollout.plan.run] = rollout
        return rollout

    # What a timer asks for.

    def recover(self, *, boot: bool = False) -> Result | None:
        """Settle whoever an earlier process left in transition; None where nothing is unfinished.

        At boot, before the serves are started, only what needs no serve is done.
        """
        waits = waits_for_boot if boot else None
        settled = self._resume(waits) or self._lift_strays(waits)
        if settled is not None or boot:
            return settled
        proof = self.proof()
        return proof if proof.warnings else None

    def _resume(self, waits: Waits | None) -> Result | None:
        """Go on with the run that was left open; None where there is none."""
        run = self.engine.journal.unfinished()
        if run is None:
            return None
        return _result(self._ended(self.engine.resume(run, waits)))

    def fenced(self) -> tuple[str, ...]:
        """Whose serve and mint can run nothing; who cannot be told is left to whoever needs it."""
        told = Reader()
        people, _ = told(self.everybody) or ((), ())
        selected = (
            (person, told(partial(self.perform.selection.selected, person))) for person in people
        )
        return tuple(person for person, chosen in selected if chosen is not None and chosen.fenced)

    def _lift_strays(self, waits: Waits | None) -> Result | None:
        """Rule 6, one after another; ends with the first that does not end well."""
        result: Result | None = None
        for person in self.fenced():
            if self._left_in_a_run(person) is not None:
                continue
            result = self._lift(person, waits)
            if result.outcome not in _ENDED_WELL:
                return result
        return result

    def _lift(self, person: str, waits: Waits | None) -> Result:
        try:
            build = self._writer(person, unfailed=True)
        except StateError as error:
            return _stuck(person, str(error))
        if build is None:
            return _stuck(person, "no snapshot tells which build fits what is there")
        people, _ = self.everybody()
        known = self.perform.states.ledger(person)
        move = ev.MovePlan(person, build, build, knows=known)
        return self._start(self._back(move, people, force=True), waits)

    def _writer(self, person: str, *, unfailed: bool) -> Version | None:
        """The build that wrote a person's set, by their snapshots.  Raises StateError."""
        states = self.perform.states
        if states.restoring(person):
            return None
        present, builds = states.ledger(person), self.perform.builds.present()
        return writer(states.snapshots(person), present, builds, unfailed=unfailed)

    def unexplained(self) -> tuple[tuple[str, Version], ...]:
        """Who runs a build that is not last-good, of which no run tells: a journal was lost.

        Whoever cannot be told is left to whoever needs them.  Raises JournalError, SelectionError.
        """
        selection, told = self.perform.selection, Reader()
        # Journal and last-good lie in one folder and are lost together; the default lies elsewhere.
        last_good = selection.last_good() or selection.default()
        if last_good is None:
            return ()
        people, _ = told(self.everybody) or ((), ())
        chosen = {person: told(partial(selection.selected, person)) for person in people}
        left = {
            person: build
            for person, selected in chosen.items()
            if selected is not None and (build := selected.build) is not None and build != last_good
        }
        for record in self.engine.journal.runs() if left else ():
            for person, build in explains(record.plan):
                if left.get(person) == build:
                    del left[person]
        return tuple(left.items())

    def proof(self) -> Result:
        """Sign in as everybody of whose build no run tells (rule 7); looks only.

        The result stops whatever comes next where it has an outcome or says `stayed`; `warnings`
        name everybody who was asked.
        """
        lines, bad, unknown = [], [], []
        for person, build in self.unexplained():
            head = f"UNEXPLAINED BUILD: no run tells why {person} is on {build}, not on last-good"
            way = f"`t3safe rollback {person}` shows the way back"
            try:
                answer = self._signs_in(person, build)
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
            return Result(None, unknown[0], stayed=No.LATER, warnings=told)
        return Result(None, "everybody signs in", stayed=No.NOTHING, warnings=told)

    def _signs_in(self, person: str, build: Version) -> ev.Paired | ev.NotPaired | None:
        """Sign in as a person; None where there is nothing to sign in to, and no run is to blame.

        Then their serve does not run, and the launcher noted that it started this build last: so it
        is with somebody who is new in the map.  A run that was lost left no such note.
        """
        if not self.perform.services.status(person).running:
            noted = self.perform.residents.found((person,))
            if ports.Resident(person, build) in noted:
                return None
        return self.perform.pairing.verify(person, build)

    def _proven(self, survey: Survey) -> tuple[Survey, Result | None]:
        """Add what the proof says; with its result where nothing else may begin."""
        if survey.standing.frozen:
            return survey, None
        proof = self.proof()
        if proof.stayed is not No.NOTHING:
            return survey, attrs.evolve(proof, warnings=(*survey.warnings, *proof.warnings))
        return attrs.evolve(survey, warnings=(*survey.warnings, *proof.warnings)), None

    def run(self) -> Result:
        """Move the host to the newest build that passes, or say why not."""
        left = self.settle() or _unwell(self._lift_strays(None))
        if left is not None:
            return left
        survey, unproven = self._proven(self.survey(mend=True))
        if unproven is not None:
            return unproven
        choice, offer = self._chosen(survey)
        unbaked = self._unbaked(survey, choice)
        if unbaked is not None:
            baked = self._start(unbaked)
            if baked.outcome is not ev.Outcome.PROMOTED or not isinstance(choice, Go):
                return self._loudly(baked, survey, offer)
            survey = attrs.evolve(self.survey(mend=False), warnings=survey.warnings)
        if isinstance(choice, Go):
            result = self._start(self._plan(ev.Kind.RUN, choice, survey))
        else:
            result = Result(None, choice.reason, stayed=choice.why, known=choice.known)
        return self._loudly(result, survey, offer)

    def candidate(self, survey: Survey) -> tuple[Go | Stay, tuple[str, ...]]:
        """Name tonight's candidate, or why there is none; with the loud lines of tonight."""
        choice, offer = self._chosen(survey)
        return choice, self._warnings(survey, offer, survey.standing.last_good)

    def _chosen(self, survey: Survey) -> tuple[Go | Stay, Offer | None]:
        """Choose as the policy does; with what the registry offers, where it was asked."""
        now = self.engine.clock.now()
        shut = closed(survey.policy, survey.standing, now.astimezone())
        if shut is not None:
            return shut, None
        try:
            offer = self._offer(survey.policy)
        except PortError as error:
            return Stay(No.LATER, str(error)), None
        return choose(survey.policy, survey.standing, offer, now), offer

    def _loudly(self, result: Result, survey: Survey, offer: Offer | None) -> Result:
        """Add the loud lines to a result: of how it stands after it, not of how it stood before."""
        promoted = result.rollout if result.outcome is ev.Outcome.PROMOTED else None
        last_good = promoted.plan.candidate if promoted is not None else survey.standing.last_good
        warnings = self._warnings(survey, offer, last_good)
        nothing_to_do = offer is not None and result.stayed is No.NOTHING
        if result.held_up or result.run or nothing_to_do:
            now = self.engine.clock.now()
            warnings += self.guard.loud(now, held_up=result.held_up)
        return attrs.evolve(result, warnings=warnings)

    def _warnings(
        self, survey: Survey, offer: Offer | None, last_good: Version | None
    ) -> tuple[str, ...]:
        stale = self._stale(offer, last_good)
        return (*survey.warnings, *self._overdue(survey.people), *stale)

    def drain(self) -> Result:
        """Move people who were deferred and are idle now."""
        left = self.settle() or _unwell(self._lift_strays(None))
        if left is not None:
            return left
        survey, unproven = self._proven(self.survey(mend=True))
        if unproven is not None:
            return unproven
        choice = self._drainable(survey)
        if isinstance(choice, Stay):
            result = Result(None, choice.reason, stayed=choice.why, known=choice.known)
        else:
            result = self._start(self._plan(ev.Kind.DRAIN, choice, survey))
        return self._loudly(result, survey, None)

    def check(self, build: Version) -> Result:
        """Run a build through the gate on a copy of everybody's set; nobody is touched."""
        left = self.settle()
        if left is not None:
            return left
        survey = self.survey(mend=False)
        go = Go(build, tuple(person for person, _ in survey.standing.builds))
        plan = self._plan(ev.Kind.CHECK, go, survey)
        return attrs.evolve(self._start(plan), warnings=survey.warnings)

    # What a person asks for.

    def adopt(self, build: Version) -> tuple[str, ...]:
        """Take over a host on which everybody runs this build already; restarts nobody.

        The build is installed into the store and measured on an empty set; everybody without a
        selection gets it, it becomes the default, and the launcher is put in place.  Doing it
        again changes nothing more.  Returns lines that say what was done.  Raises NoWayBackError
        where somebody's set holds what the build does not know: it is not what they run.
        """
        people, _ = self.everybody()
        self.perform.builds.stage(build)
        (measured,) = self.perform.gate.rehearse(build, (Subject(EMPTY, ""),))
        if measured.schema is None or not measured.passed:
            message = f"cannot adopt {build}: it fails on an empty set: {measured.reason}"
            raise NoWayBackError(message)
        for person in people:
            unknown = self.perform.states.ledger(person).unknown_to(measured.schema)
            if unknown:
                message = f"cannot adopt {build}: it does not know {unknown[0]} of {person}"
                raise NoWayBackError(f"{message}; adopt the build that {person} runs")
        return tuple(self._adopted(people, build))

    def _adopted(self, people: tuple[str, ...], build: Version) -> Iterator[str]:
        selection = self.perform.selection
        for person in people:
            if not selection.has_own(person):
                selection.select(person, build)
                yield f"{person} runs {build} from the next start of the serve on"
        if selection.default() is None:
            selection.promote(build)
            yield f"{build} is the default and last-good"
        mended = selection.ensure_launcher()
        if mended:
            yield mended

    def preview(self, person: str, build: Version | None, snapshot: str) -> Preview:
        """Tell what `go_back` with the same words would cost; looks only.

        Raises NoWayBackError where there is no way back.
        """
        return self.cost(self.way(person, build, snapshot))

    def cost(self, way: WayBack) -> Preview:
        """Count what a way back would cost; looks only."""
        person, work = way.person, self._at_work(way.person)
        if not way.restore:
            return Preview(way, work=work)
        try:
            rows = self.perform.states.rows_written(person, way.snapshot)
        except StateError as error:
            return Preview(way, uncounted=str(error), work=work)
        return Preview(way, rows, work=work)

    def way(self, person: str, build: Version | None, snapshot: str) -> WayBack:
        """Tell the way that `go_back` with the same words would take.  Raises NoWayBackError."""
        people, _ = self.everybody()
        way, _ = self._found_way(people, person, build, snapshot)
        return way

    def present(self, person: str) -> Version:
        """The build that a person runs, or ran last where a failed move left them fenced.

        The same where their selection leads nowhere.  Raises NoWayBackError where neither a run nor
        a snapshot tells what they ran.
        """
        return self.perform.chosen(person) or self._left_by(person)

    def pins(self, person: str) -> dict[str, str]:
        """Name the snapshots of a person that nobody may prune by hand, each with why.

        Raises NoWayBackError where nothing tells what a fenced person ran.
        """
        pinned: dict[str, str] = {}
        for record in self.engine.journal.runs():
            rollout = self._folded(record.plan.run)
            used = [
                item for move in rollout.moves if move.person == person for item in used_by(move)
            ]
            if used:
                pinned = dict.fromkeys(used, f"run {record.plan.run} took it or went back to it")
                break
        old = self.present(person)
        for info in reversed(self.perform.states.snapshots(person)):
            if _leads_back(info, old, None):
                return {**pinned, info.stored.id: f"the way back to {info.build}"}
        return pinned

    def arrivals(self) -> Iterator[Arrival]:
        """Every move that ended on its new build, newest first; read as far as they are asked."""
        for record in self.engine.journal.runs():
            by_run = record.plan.kind in {ev.Kind.RUN, ev.Kind.DRAIN}
            for move in self._folded(record.plan.run).moves:
                if move.status in ON_NEW:
                    yield Arrival(move.person, move.plan.old, move.plan.new, by_run)

    def _at_work(self, person: str) -> str:
        """Why the idle rule would leave a person as they are; unknown is busy."""
        try:
            assessed = self.perform.assess(person)
        except PortError as error:
            return str(error)
        return assessed.reason if assessed.readiness is ev.Readiness.BUSY else ""

    def go_back(self, person: str, build: Version | None, snapshot: str, *, force: bool) -> Result:
        """Take one person back on purpose: to `build`, or to what `snapshot` holds.

        Without either, to the build before.  Rows are given up only where the build does not know
        the present ledger; they are kept in the at-rest snapshot that the move takes first.
        Nobody is stopped for a snapshot that is damaged.  Raises NoWayBackError when there is no
        way back.
        """
        left = self.settle()
        if left is not None:
            return left
        people, _ = self.everybody()
        way, knows = self._found_way(people, person, build, snapshot)
        restore = way.snapshot if way.restore else ""
        if restore:
            self._require_sound(person, restore)
        move = ev.MovePlan(person, way.old, way.build, restore, knows=knows)
        # Whose selection leads nowhere has no serve that could be left as it is.
        stopped = bool(self.astray(person)) and not self.perform.services.status(person).running
        return self._start(self._back(move, people, force=force or stopped))

    def _require_sound(self, person: str, snapshot: str) -> None:
        try:
            self.perform.states.verify(person, snapshot)
        except StateError as error:
            message = f"cannot take {person} back: {error}; nobody was touched"
            raise NoWayBackError(message) from error

    def _back(self, move: ev.MovePlan, people: tuple[str, ...], *, force: bool) -> ev.Plan:
        return ev.Plan(
            run=self.name_run(self.engine.clock.now()),
            kind=ev.Kind.BACK,
            candidate=move.new,
            base=move.old,
            moves=(move,),
            attempts_max=self.rules.attempts_max,
            force=force,
            everybody=people,
        )

    def _found_way(
        self, people: tuple[str, ...], person: str, build: Version | None, snapshot: str
    ) -> tuple[WayBack, SetLedger]:
        """Find the way back, and what the build at its end knows.  Raises NoWayBackError."""
        if person not in people:
            message = f"cannot take {person} back: no such person in the user map"
            raise NoWayBackError(message)
        try:
            old = self.present(person)
        except NoWayBackError:
            if build is None:
                raise
            old = build
        info = self._way_back(person, old, build, snapshot)
        assert info.build is not None, "a way back names its build"
        if info.build not in self.perform.builds.present():
            how = f"`t3safe check {info.build}` installs it"
            message = f"cannot take {person} back: {info.build} is not in the store; {how}"
            raise NoWayBackError(message)
        restore = bool(snapshot) or self._must_restore(person, info)
        stored = info.stored
        return WayBack(person, old, info.build, stored.id, stored.taken, restore), info.ledger

    def _must_restore(self, person: str, info: ports.SnapshotInfo) -> bool:
        """Whether the older build does not know what is in the set by now, or nobody can tell."""
        try:
            return not self.perform.states.ledger(person).known_to(info.ledger)
        except StateError:
            return True

    def _left_by(self, person: str) -> Version:
        """The build that ran last on the set of a person for whom none can start now."""
        build = self._left_in_a_run(person) or self._writer(person, unfailed=False)
        if build is None:
            message = f"cannot take {person} back: no build can start, and neither a run nor a"
            message += " snapshot tells what wrote the data; see NEEDS A HUMAN in the runbook"
            raise NoWayBackError(message)
        return build

    def _left_in_a_run(self, person: str) -> Version | None:
        for record in self.engine.journal.runs():
            for move in self._folded(record.plan.run).moves:
                if move.person == person and move.status is not Status.WAITING:
                    return move.plan.new if move.exposed else move.plan.old
        return None

    def _way_back(
        self, person: str, old: Version, build: Version | None, snapshot: str
    ) -> ports.SnapshotInfo:
        known = self.perform.states.snapshots(person)
        for info in reversed(known):
            if snapshot and info.stored.id == snapshot and info.build is not None:
                return info
            if not snapshot and _leads_back(info, old, build):
                return info
        for info in reversed(known):
            # Nothing is restored from it: it only tells that the build knows what is there.
            if build is not None and info.build == build and not self._must_restore(person, info):
                return info
        what = f"snapshot {snapshot}" if snapshot else f"at-rest snapshot of {build or 'another'}"
        message = f"cannot take {person} back: no {what}; `t3safe snapshots {person}` lists them"
        raise NoWayBackError(message)

    # Shared parts.

    def settle(self) -> Result | None:
        """Finish what was left (rule 1): None where nothing was, or all of it ended well."""
        return _unwell(self._resume(None))

    def _offer(self, policy: Policy) -> Offer | None:
        if policy.pin is not None:
            return None
        history = bool(policy.age_min or policy.held)
        return self.registry.offer(policy.track, history=history)

    def _stale(self, offer: Offer | None, last_good: Version | None) -> tuple[str, ...]:
        """Say loudly that the host lags, where both versions tell their day."""
        newest = offer.tag if offer is not None else None
        days = days_behind(last_good, newest)
        if days is None or timedelta(days=days) <= self.rules.stale_after:
            return ()
        return (f"STALE: {last_good} is {days} days behind {newest}",)

    def _overdue(self, here: tuple[str, ...]) -> tuple[str, ...]:
        waiting = (item for item in self.deferrals(here) if item.person in here)
        return tuple(
            f"DEFERRED TOO LONG: {item.person} waits for {item.build} since {item.since:%Y-%m-%d}"
            f" ({item.reason}); `t3safe drain` moves them when idle"
            for item in overdue(waiting, self.engine.clock.now(), self.rules.deferred_max)
        )

    def _drainable(self, survey: Survey) -> Go | Stay:
        policy, standing = survey.policy, survey.standing
        shut = closed(attrs.evolve(policy, window=None), standing, self.engine.clock.now())
        if shut is not None:
            return shut
        here = set(survey.people)
        waiting = {
            item.person: item.build for item in self.deferrals(survey.people) if item.person in here
        }
        if not waiting:
            return Stay(No.NOTHING, "nobody waits to be moved")
        proven = (standing.last_good,) if standing.last_good is not None else ()
        build = max((*waiting.values(), *proven))
        calm = attrs.evolve(policy, age_min=timedelta(0))
        choice = choose(calm, standing, Offer(build), self.engine.clock.now())
        if isinstance(choice, Stay):
            return choice
        idle = tuple(person for person in choice.people if person in waiting and self._idle(person))
        if not idle:
            return Stay(No.NOTHING, f"nobody who waits is idle: {', '.join(sorted(waiting))}")
        return attrs.evolve(choice, people=idle)

    def _idle(self, person: str) -> bool:
        try:
            return self.perform.assess(person).readiness is ev.Readiness.IDLE
        except PortError:
            return False

    def _unbaked(self, survey: Survey, choice: Go | Stay) -> ev.Plan | None:
        """Plan the bake of people whom a run moved that was cut off before it could promote.

        It comes before anybody else is moved to the same build; where there is a newer one to move
        to, or no run may act, there is none.
        """
        if isinstance(choice, Stay) and choice.why is not No.NOTHING:
            return None
        builds, refused = dict(survey.standing.builds), dict(survey.standing.refused)
        for record in self.engine.journal.runs():
            build = record.plan.candidate
            if record.plan.kind in {ev.Kind.CHECK, ev.Kind.BACK}:
                continue
            if record.ended is not None and record.ended.outcome is ev.Outcome.PROMOTED:
                return None
            if isinstance(choice, Go) and choice.candidate != build:
                return None
            if all(builds.get(move.person) != build for move in record.plan.moves):
                # Nobody runs what it was to move them to: its events are not read.
                continue
            moved = tuple(
                move.person
                for move in self._folded(record.plan.run).moves
                if move.status in {Status.MOVED, Status.KEPT} and builds.get(move.person) == build
            )
            if moved and build not in refused:
                nobody = self._plan(ev.Kind.BAKE, Go(build, ()), survey)
                return attrs.evolve(nobody, baking=moved)
        return None

    def _plan(self, kind: ev.Kind, go: Go, survey: Survey) -> ev.Plan:
        builds = dict(survey.standing.builds)
        # A check is asked to find out; what a rehearsal found before does not answer it.
        known = None if kind is ev.Kind.CHECK else self.perform.builds.schema(go.candidate)
        moves = tuple(
            ev.MovePlan(person, builds[person], go.candidate, knows=known) for person in go.people
        )
        base = self._base(survey, moves)
        return ev.Plan(
            run=self.name_run(self.engine.clock.now()),
            kind=kind,
            candidate=go.candidate,
            base=base,
            moves=moves,
            bake=self.rules.bake,
            attempts_max=self.rules.attempts_max,
            on_person_failure=self.rules.on_person_failure,
            staying=go.stay,
            everybody=survey.people,
        )

    def _base(self, survey: Survey, moves: tuple[ev.MovePlan, ...]) -> Version:
        """The build whose control speaks for the empty set."""
        default = self.perform.selection.default() or survey.standing.last_good
        if default is not None:
            return default
        if moves:
            return moves[0].old
        message = "no build is selected for anybody; `t3safe adopt` takes over the present t3"
        raise SelectionError(message)

    def _start(self, plan: ev.Plan, waits: Waits | None = None) -> Result:
        overload = self.guard.keeps(plan)
        no = overload or self.permit.may_start(plan)
        if no:
            return Result(None, no, stayed=No.LATER, held_up=bool(overload))
        return _result(self._ended(self.engine.start(plan, waits)))


_ENDED_WELL = frozenset(
    {
        ev.Outcome.PROMOTED,
        ev.Outcome.MOVED,
        ev.Outcome.DEFERRED,
        ev.Outcome.PASSED,
        ev.Outcome.REFUSED,
        ev.Outcome.LATER,
        ev.Outcome.INTERRUPTED,
        ev.Outcome.GATE_BROKEN,
    }
)
"""Ends after which another run may begin; rolled back is frozen, the other needs a person."""


def _result(rollout: Rollout) -> Result:
    run = rollout.plan.run
    if rollout.ending is None or not rollout.closed:
        return Result(None, "waits until the serves are up", run=run, rollout=rollout)
    ending = rollout.ending
    return Result(ending.outcome, ending.reason, run=run, rollout=rollout)


def _unwell(result: Result | None) -> Result | None:
    """Give a result after which nothing else may begin, None where something may."""
    return None if result is None or result.outcome in _ENDED_WELL else result


def _stuck(person: str, why: str) -> Result:
    """Tell of a fence that nobody may lift unseen."""
    mend = f"`t3safe snapshots {person}` lists what is kept; see NEEDS A HUMAN in the runbook"
    text = f"NEEDS A HUMAN: {person} is fenced, and no run tells why: {why}; {mend}"
    return Result(ev.Outcome.NEEDS_HUMAN, text, warnings=(text,))


def _leads_back(info: ports.SnapshotInfo, old: Version, build: Version | None) -> bool:
    """Whether a snapshot taken at rest is of the wanted build, or of another than the present."""
    if build is None:
        return leads_back(info, old)
    return info.build == build and info.stored.kind is not SnapshotKind.ONLINE


def _mended(found: str) -> tuple[str, ...]:
    return (f"LAUNCHER RESTORED: {found}",) if found else ()


def _problems(problems: tuple[MapProblem, ...]) -> tuple[str, ...]:
    return tuple(f"user map {problem}; that line is skipped" for problem in problems)
