"""Rollouts told in a few lines: which effects are decided, what is answered, how it ends.

    A person who does not pair before is not touched.
        assess old?=broken
        end later: does not pair on the present build: alice: 500 from the serve
        are alice=broken-before

A story is its title and the indented lines below it; an empty line ends it.  Every effect of the
rollout is named, in order, so a story also says what does not happen.  A word is an effect, with
the person after a dot (alice where none is named) and the answer after `=` (a good one where none
is given; several are given in order).  `DIES` and `SIGTERM` happen to the run, in place of an
effect or of an answer.  `{a|b}` makes a story of each; all braces of a story go together.
An underscore in an answer is a space.  `OLD` and `NEW` in texts are the two builds, a line that is
indented further continues the one before.

Lines that begin with these words say more:

- `plan`: the people, then `kind`, `attempts`, `restore`, `knows` (a value each), `force`, `hold`
- `verdict RULING [held=PERSON]`: the verdict before the moves, with its reasons after a colon
- `convict`, `freeze`: the verdict of production and the freeze, with their text
- `blame`, `excuse`: what follows a way back for the build's own fault, and for any other
- `neither`: what follows the build's own fault where the old build does not pair either
- `end OUTCOME`: pruning and the end; `:` says what it must hold (parts between `&&`), `=` all of it
- `are`: how people stand at the end; `why PERSON`: what is said of a person
- `hooks`: which hooks were called for whom, with the outcome that they are told (not before a run)

A text that is left out after `convict`, `freeze`, `blame` or `excuse` is that of the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import attrs
import pytest
from attrs import define, field, frozen

from fakes.playbook import NOW, Ends, Playbook, fold
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.gate import OnPersonFailure, Ruling, Verdict
from t3safe.domain.hook_events import HookEvent, hook_events
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.rollout import evolve, opened
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.generations import EVENT_LOG
from tests.unit.domain.plans import (
    DONE,
    IDLE,
    L30,
    L32,
    NEW,
    OLD,
    PAIRED,
    STRANGE,
    plan,
    promote,
    rehearsed,
    snapshot,
    subjects,
)

OTHER: Final = Version.parse("0.0.25-nightly.20260603.445")
"""A build that is neither the old one nor the candidate; bob's, in a plan of `kind=mixed`."""
BUILDS: Final = {"old": OLD, "new": NEW, "other": OTHER, "fence": None}
LEDGERS: Final = {"L30": L30, "L32": L32, "STRANGE": STRANGE, "none": None, "empty": SetLedger()}
ROWS: Final = (ev.RowsKept(f"{V1_DATABASE}:{EVENT_LOG}", 3),)
ANSWERS: Final[dict[str, ev.Answer | ev.Resumed | ev.StopAsked]] = {
    "busy": ev.Assessed(ev.Readiness.BUSY, "a turn is in flight"),
    "stopped": ev.Assessed(ev.Readiness.NOT_RUNNING, "inactive"),
    "broken": ev.NotPaired(Fault.BUILD, "500 from the serve"),
    "down": ev.NotPaired(Fault.ENVIRONMENT, "no answer on 3780"),
    "DIES": ev.Resumed(NOW),
    "SIGTERM": ev.StopAsked(NOW, "SIGTERM"),
    "AGAIN": ev.StopAsked(NOW, "again"),
}
SHORT: Final = {
    "OLD": str(OLD),
    "OTHER": str(OTHER),
    "NEW": str(NEW),
}
PHRASES: Final = {
    "asked": "assess old? assess",
    "rested": "asked fence stop rest",
    "started": "rested new start",
    "moved": "started new?",
    "return": "old start old?",
    "undo": "fence stop quarantine restore return",
}
"""Words that stand for several; an answer is that of the last."""


@frozen
class Story:
    """One behaviour of a rollout: its title and its lines."""

    title: str
    lines: tuple[str, ...]

    def play(self, *prelude: str) -> Playbook:
        """Play it, after these lines where the plan is a run's; the book must then be complete."""
        first = next((line for line in self.lines if line.split()[0] == "plan"), "plan alice")
        told = next(line for line in self.lines if line.startswith("end "))
        telling = Telling(first, re.split(r" = |: ", f"{told}: ", maxsplit=1)[1].removesuffix(": "))
        for line in (*(prelude if "kind=" not in first else ()), *self.lines):
            telling.tell(line)
        telling.book.must_be_complete()
        assert fold(telling.book.journal) == telling.book.rollout
        return telling.book


def stories(text: str) -> pytest.MarkDecorator:
    """Give each story of a text to a test, as `story`."""
    found = [one for block in re.split(r"\n\s*\n", text.strip("\n")) for one in _variants(block)]
    names = [
        f"{number}-{one.title.rstrip('.')}".replace(" ", "_") for number, one in enumerate(found)
    ]
    return pytest.mark.parametrize("story", found, ids=names)


def _variants(block: str) -> Iterator[Story]:
    block = re.sub(r"\n {8,}", " ", block)
    braces = [found.split("|") for found in re.findall(r"{([^}]*)}", block)]
    for values in zip(*braces, strict=True) if braces else [()]:
        whole = block
        for value in values:
            before, _, after = whole.partition("{")
            whole = before + value + after.partition("}")[2]
        title, *lines = whole.splitlines()
        assert lines, f"nothing is told of {title!r}"
        yield Story(title, tuple(line.strip() for line in lines))


def spelled(text: str) -> str:
    """Spell out what a story abbreviates."""
    for short, full in SHORT.items():
        text = text.replace(short, full)
    return text


@define
class Telling:
    """A story as far as it is told; `rest` and `kept` are what the answers named."""

    opened_with: str
    ending: str
    book: Playbook = field(init=False)
    copies: dict[str, str] = field(init=False, factory=dict)
    rest: dict[str, str] = field(init=False, factory=dict)
    kept: dict[str, list[str]] = field(init=False, factory=dict)
    pruned: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        words = self.opened_with.split()[1:]
        given = {word.partition("=")[0]: word.partition("=")[2] for word in words}
        people = tuple(word for word in given if word in {"alice", "bob", "carol"})
        kind = given.get("kind", "run")
        baking = people if kind == "bake" else ()
        whole = plan(
            *(() if baking else people),
            kind=ev.Kind(kind.replace("mixed", "run")),
            attempts_max=int(given.get("attempts", "1")),
            on_person_failure=OnPersonFailure("hold-back" if "hold" in given else "refuse"),
            restore=given.get("restore", ""),
            knows=LEDGERS[given.get("knows", "none")],
            force="force" in given,
            baking=baking,
        )
        if kind == "mixed":
            moves = (attrs.evolve(m, old=OTHER if m.person == "bob" else OLD) for m in whole.moves)
            whole = attrs.evolve(whole, moves=tuple(moves))
        self.book = Playbook(whole)

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody whom the rollout is about."""
        return self.book.plan.baking or tuple(move.person for move in self.book.plan.moves)

    def tell(self, line: str) -> None:
        """Play one line."""
        match = re.fullmatch(
            r"(plan|verdict|convict|freeze|blame|excuse|neither|end|are|why|hooks)\b(.*)", line
        )
        if match is None:
            for word in line.split():
                self._word(word)
            return
        if match[1] != "plan":
            getattr(self, f"_{match[1]}")(spelled(match[2]))

    def _word(self, word: str) -> None:
        if word in ANSWERS:
            happened = ANSWERS[word]
            assert isinstance(happened, ev.Resumed | ev.StopAsked)
            self.book >> happened
            return
        what, _, answers = word.partition("=")
        name, _, whom = what.partition(".")
        if name == "gated":
            copies = " ".join(f"copy.{who}" for who in self.people)
            self.tell(f"stage {copies} gate")
            self.tell("verdict passed")
        elif name in PHRASES:
            *steps, last = PHRASES[name].split()
            for step in steps:
                self._word(f"{step}.{whom or 'alice'}")
            self._word(f"{last}.{whom or 'alice'}={answers}")
        else:
            self._play(self.effect(name, whom), answers)

    def _play(self, effect: fx.Effect, answers: str = "") -> None:
        self.book << effect
        for answer in answers.split(",") if answers else ("",):
            given = self._answer(effect, answer)
            self.book >> given
            self._remember(effect, given)

    def _remember(self, effect: fx.Effect, given: ev.Answer | ev.Resumed | ev.StopAsked) -> None:
        match effect, given:
            case fx.SnapshotOnline(person=who), ev.Snapshotted(snapshot=name):
                self.copies[who] = name
            case fx.SnapshotAtRest(person=who), ev.Snapshotted(snapshot=name):
                self.rest[who] = name
            case fx.Quarantine(person=who), ev.Quarantined(snapshot=name):
                self.kept.setdefault(who, []).append(name)
            case _:
                pass

    def effect(self, name: str, whom: str = "") -> fx.Effect:
        """Give the effect that a word stands for."""
        who, several = whom or "alice", tuple(whom.split("+")) if whom else self.people
        old = next((move.old for move in self.book.plan.moves if move.person == who), OLD)
        simple: dict[str, fx.Effect] = {
            "stage": fx.StageBuild(NEW),
            "copy": fx.SnapshotOnline(who, self.book.fresh),
            "gate": fx.Rehearse(NEW, self._subjects(whom or "+".join(self.copies))),
            "control": fx.Rehearse(OLD, self._subjects(whom)),
            "control-other": fx.Rehearse(OTHER, self._subjects(whom)),
            "assess": fx.Assess(who),
            "sure": fx.Assess(who, certain=True),
            "old?": fx.VerifyPairing(who, old),
            "new?": fx.VerifyPairing(who, NEW),
            "fence": fx.Fence(who),
            "stop": fx.Stop(who),
            "chosen": fx.Restore(who, "chosen"),
            "new": fx.Select(who, NEW),
            "old": fx.Select(who, old),
            "start": fx.Start(who),
            "look": fx.Inspect(who),
            "bake": fx.Bake(several, NEW, 600.0),
            "revisit": fx.Revisit(several, NEW),
            "promote": promote(*(self.people if self.book.plan.moves else ())),
        }
        match name:
            case "rest":
                giving_up = bool(self._move(who).restore)
                return fx.SnapshotAtRest(who, self.book.fresh, old, giving_up=giving_up)
            case "quarantine":
                return fx.Quarantine(who, self.book.fresh, NEW, self.rest[who])
            case "restore":
                return fx.Restore(who, self.rest[who])
            case "prune":
                self.pruned = True
                return fx.Prune(self.book.plan.all_people, self._pinned())
            case _:
                return simple[name]

    def _subjects(self, whom: str) -> tuple[fx.Subject, ...]:
        return subjects(**{who: self.copies[who] for who in whom.split("+") if who in self.copies})

    def _move(self, who: str) -> ev.MovePlan:
        return next(move for move in self.book.plan.moves if move.person == who)

    def _answer(self, effect: fx.Effect, text: str) -> ev.Answer | ev.Resumed | ev.StopAsked:
        head, _, said = text.partition(":")
        reason = said.replace("_", " ")
        if text in ANSWERS:
            return ANSWERS[text]
        if head in set(Fault):
            return ev.Failed(Fault(head), reason)
        match effect:
            case fx.VerifyPairing() if text:
                return ev.NotPaired(Fault(head.removeprefix("no-")), reason)
            case fx.VerifyPairing():
                return PAIRED
            case fx.Assess():
                return IDLE
            case fx.SnapshotOnline() | fx.SnapshotAtRest() if head == "held":
                return ev.Assessed(ev.Readiness.BUSY, reason)
            case fx.SnapshotOnline(snapshot=name) | fx.SnapshotAtRest(snapshot=name):
                taken = snapshot(name, LEDGERS[head or "L30"] or L30)
                return attrs.evolve(taken, migrated_by=reason)
            case fx.Quarantine(snapshot=name):
                return ev.Quarantined(name, ROWS if text == "rows" else ())
            case fx.Rehearse(build=build, subjects=asked):
                names = tuple(subject.person for subject in asked[1:])
                failing = said.replace("empty", "").split("+") if said else ()
                why = "it hangs" if head == "hangs" else "it died"
                return rehearsed(*names, build=build, failing=tuple(failing), why=why)
            case fx.Inspect():
                selected, ledger, *more = text.split("/")
                assert set(more) <= {"runs", "restoring"}
                return ev.Inspected(
                    Version.parse(selected) if selected[0].isdigit() else BUILDS[selected],
                    running="runs" in more,
                    ledger=LEDGERS[ledger],
                    restoring="restoring" in more,
                )
            case fx.Bake() | fx.Revisit() if head == "lost":
                who, fault, why = reason.split(":")
                return ev.BakeBroken(who, Fault(fault), why)
            case _:
                assert text in {"", "ok"}, f"{text!r} is not understood"
                return DONE

    def _verdict(self, text: str) -> None:
        head, _, reasons = text.partition(": ")
        ruling, *more = head.split()
        given = dict(word.partition("=")[::2] for word in more)
        held = tuple(given["held"].split("+")) if "held" in given else ()
        why = tuple(reasons.split(" && ")) if reasons else ()
        self._play(fx.RecordVerdict(Verdict(NEW, Ruling(ruling), why, held)), given.get("but", ""))

    def _convict(self, text: str) -> None:
        answer, told = self._said(text)
        verdict = Verdict(NEW, Ruling.REFUSED, (f"in production, {told}",), in_production=True)
        self._play(fx.RecordVerdict(verdict), answer)

    def _freeze(self, text: str) -> None:
        answer, told = self._said(text)
        self._play(fx.Freeze(told), answer)

    def _said(self, text: str) -> tuple[str, str]:
        answer, _, told = text.partition(" ")
        return answer.removeprefix("="), told or spelled(self.ending)

    def _blame(self, text: str) -> None:
        self._convict(text)
        self._freeze(f" {NEW} failed in production: {self._said(text)[1]}")

    def _neither(self, text: str) -> None:
        told = self._said(text)[1]
        self._convict(f" {told}")
        both = "the previous build does not pair either, the environment is at fault"
        self._freeze(f" {NEW} failed in production: {both}: {told}")

    def _excuse(self, text: str) -> None:
        told = self._said(text)[1]
        self._freeze(f" {NEW} could not be installed for a person, not its own fault: {told}")

    def _end(self, text: str) -> None:
        if not self.pruned:
            self._play(self.effect("prune", ""))
        if " = " in text:
            outcome, _, told = text.partition(" = ")
            self.book << ev.Ended(ev.Outcome(outcome.strip()), told)
            return
        outcome, _, told = text.partition(": ")
        said = told.split(" && ") if told else []
        self.book << Ends.saying(ev.Outcome(outcome.strip()), *said)

    def _pinned(self) -> tuple[str, ...]:
        """Every rollback point, chosen set and quarantine, in the order of the moves."""
        found: list[str] = []
        for move in self.book.plan.moves:
            found += [move.restore] if move.restore else []
            found += [self.rest[move.person]] if move.person in self.rest else []
            found += self.kept.get(move.person, [])
        return tuple(found)

    def _are(self, text: str) -> None:
        told = dict(word.split("=") for word in text.split())
        found = {move.person: move.status.value for move in self.book.rollout.moves}
        assert {who: found[who] for who in told} == told

    def _hooks(self, text: str) -> None:
        called = (f"{one.moment}.{one.person}={one.outcome}" for one in self.hook_events())
        assert [one.replace(".=", "=").removesuffix("=") for one in called] == text.split()

    def hook_events(self) -> Iterator[HookEvent]:
        """Give every hook event of the rollout so far."""
        after = opened(self.book.plan)
        for event in self.book.journal[1:]:
            before, after = after, evolve(after, event)
            yield from hook_events(before, event, after)

    def _why(self, text: str) -> None:
        who, *told = text.split(maxsplit=1)
        reason = next(move.reason for move in self.book.rollout.moves if move.person == who)
        for part in told[0].split(" && "):
            assert part.removeprefix("= ") in reason
            assert not part.startswith("= ") or part == f"= {reason}"
