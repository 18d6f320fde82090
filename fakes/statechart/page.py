"""The document: diagrams, tables and figures, all of them read off the exploration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Final, get_args

from attrs import frozen

from fakes.statechart.breaks import Inspection, Inspections, Moment, Reaction, interrupted
from fakes.statechart.charts import Arrow, move_arrows, stage_arrows
from fakes.statechart.drawing import grouped, stages_after, stages_before, steps_towards
from fakes.statechart.explore import Exploration, explore
from fakes.statechart.mermaid import Link, flowchart
from fakes.statechart.naming import Moments, Names
from fakes.statechart.tallies import End, Tally, Use, tally
from fakes.statechart.trials import LANES, Lane
from fakes.statechart.words import SEEN, Place, boxes, either, listed, needed, words
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import Fault
from t3safe.domain.moves import Goal, Status
from t3safe.domain.rollout import Stage

_HEAD: Final = """\
# States of a rollout

Written by `make docs` from `decide` and `evolve`; do not edit. Every arrow and every row is what
the code does, found by giving each answer to each effect in each state that can be reached. A test
fails where this page and the code differ.
"""

_LEGEND: Final = """\
In the diagrams a box is what is done next, a rounded one an end. A dashed box belongs to another
diagram. An arrow bears the answer:

- "failed" is a failure by anybody's fault; "failed (not build)" one that is not the build's own.
  What failed is first tried again, as often as the plan allows: see
  [effects and answers](#effects-and-answers).
- "strange" is a migration that the new build is not known to know.
- An arrow without a word begins something, or comes from another diagram.
"""

_MEANING: Final[Mapping[Goal, str]] = {
    Goal.FORWARD: "The way to the new build.",
    Goal.CANCEL: "Given up before the new build could be in place: the data needs no change.",
    Goal.BACK: "Given up after that: what is there is kept, then the copy at rest is put back.",
    Goal.LAST_RESORT: """\
Going back failed too: whichever build knows the data is started. Which one, what is
seen decides: see [what inspecting decides](#what-inspecting-decides).""",
}


@frozen
class Explored:
    """A lane with all that was found in its trials."""

    lane: Lane
    found: tuple[Exploration, ...]

    @property
    def title(self) -> str:
        """The name of the lane."""
        return self.lane.title

    @cached_property
    def names(self) -> Names:
        """What its places are called."""
        return Names.of(self.found)

    @cached_property
    def move_arrows(self) -> tuple[Arrow, ...]:
        """The arrows of one person's move, uninterrupted."""
        return move_arrows(known.smooth for known in self.found)


def explore_all() -> tuple[Explored, ...]:
    """Explore every lane.  Raises NotTotal where the core has no answer."""
    return tuple(Explored(lane, tuple(map(explore, lane.trials))) for lane in LANES)


def page(explored: Sequence[Explored]) -> str:
    """Write the whole document."""
    names = {one.title: one.names for one in explored}
    total = tally(known for one in explored for known in one.found)
    parts = [
        _HEAD,
        _LEGEND,
        "The same machine serves several ends:",
        "\n".join(f"- {one.title}: {one.lane.about}" for one in explored),
        *_stages(explored),
        *_moves(explored),
        *_breaks(explored, names),
        *_ends(total),
        *_effects(total),
        *_figures(explored, total),
    ]
    return "\n".join(f"{part.rstrip()}\n" for part in parts)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# Diagrams.


def _stages(explored: Iterable[Explored]) -> Iterator[str]:
    charts = {one.title: stage_arrows(known.smooth for known in one.found) for one in explored}
    yield "## Stages: before anybody is touched"
    before = {title: stages_before(arrows) for title, arrows in charts.items()}
    yield from _drawn(before)
    yield "## Stages: from the first move on"
    yield (
        "Out of `moving` an arrow names statuses: nobody is in transition any more, somebody has\n"
        "one of them and, where some stand after `beside`, another one of those. What is still\n"
        "done before an end is told under [ends](#ends)."
    )
    after = {title: stages_after(arrows) for title, arrows in charts.items()}
    yield from _drawn(after)


def _moves(explored: Iterable[Explored]) -> Iterator[str]:
    for goal in Goal:
        yield f"## One person's move: {goal}"
        if goal in _MEANING:
            yield _MEANING[goal]
        yield from _drawn(
            {one.title: steps_towards(goal, one.move_arrows, one.names) for one in explored}
        )


def _drawn(charts: Mapping[str, tuple[Link, ...]]) -> Iterator[str]:
    """Draw charts, each with the lanes that it is true of where there are several."""
    groups = tuple(grouped(charts))
    for titles, links in groups:
        if len(groups) > 1:
            yield f"### {_capital(listed(titles))}"
        yield flowchart(links)


# After an interruption.


def _breaks(explored: Sequence[Explored], names: Mapping[str, Names]) -> Iterator[str]:
    lanes = [(one.title, known) for one in explored for known in one.found]
    yield "## After an interruption"
    yield (
        "A step is begun once its intent is in the journal, until the answer is that counts. Once\n"
        "it was interrupted, a rollout begins nobody new, and ends when nobody is in transition."
    )
    yield "### Asked to stop"
    yield "The wish is heard between two effects."
    yield from _interrupted(lanes, names, ev.StopAsked)
    yield "### The process died"
    yield from _interrupted(lanes, names, ev.Resumed)
    yield "### What inspecting decides"
    yield (
        "Whoever is in transition after a crash is inspected before anything else; the last\n"
        "resort inspects as well. Each table holds for the moments above it. An empty cell\n"
        "means: whatever it is. Flags are those of `Move` that are the same at all these moments."
    )
    yield from _inspections(lanes, names)
    yield "### Ways that only an interruption opens"
    yield (
        "What was done before the interruption and still holds is not done again; what may have\n"
        "happened since is looked at. These steps follow one another then, and never otherwise."
    )
    yield _table(("step", "next step", "on"), _opened(explored, names))


def _interrupted(
    lanes: Iterable[tuple[str, Exploration]],
    names: Mapping[str, Names],
    kind: type[ev.Resumed | ev.StopAsked],
) -> Iterator[str]:
    found = interrupted(lanes, kind)
    there: dict[str, set[Moment]] = {}
    for by_lane in found.values():
        for lane, some in by_lane.items():
            there.setdefault(lane, set()).update(some)
    moments = Moments(names, there)
    yield _table(("at", "then it"), ((moments.say(at), then) for then, at in found.items()))


def _inspections(
    lanes: Sequence[tuple[str, Exploration]], names: Mapping[str, Names]
) -> Iterator[str]:
    kinds = Inspections()
    for lane, known in lanes:
        kinds.add(lane, known)
    moments = Moments(names, kinds.steps())
    flags = dict.fromkeys(flag for kind in kinds.found for flag in kind.flags)
    telling = {flag for flag in flags if len({kind.flags.get(flag) for kind in kinds.found}) > 1}
    for number, kind in enumerate(kinds.found, 1):
        yield f"#### Inspection {number}"
        yield "\n".join(_when(kind, moments, telling))
        yield _table((*SEEN, "then"), _rows(kind.reaction))


def _when(kind: Inspection, moments: Moments, telling: set[str]) -> Iterator[str]:
    later = {
        lane: set(some).difference(kind.moments.get(lane, ())) for lane, some in kind.later.items()
    }
    if kind.moments:
        yield f"- {moments.say(kind.moments)}"
    if any(later.values()):
        yield f"- interrupted before, and now again: {moments.say(later)}"
    flags = [flag if up else f"not {flag}" for flag, up in kind.flags.items() if flag in telling]
    yield f"- flags: {', '.join(flags)}"


def _rows(reaction: Reaction) -> Iterator[tuple[str, ...]]:
    seen = {facts: then for facts, then in reaction.items() if facts}
    for then in dict.fromkeys(seen.values()):
        points = [facts for facts, follows in seen.items() if follows == then]
        for box in boxes(points, seen):
            yield (*(box if any(box) else ("anything", *box[1:])), then)
    yield ("inspecting fails", *[""] * (len(SEEN) - 1), reaction[()])


def _opened(explored: Iterable[Explored], names: Mapping[str, Names]) -> Iterator[Sequence[str]]:
    rows: dict[tuple[str, str, str], None] = {}
    for one in explored:
        usual = {(arrow.source, arrow.target) for arrow in one.move_arrows}
        sources = {source for source, _ in usual}
        called = partial(names[one.title].called, goal=None)
        for arrow in move_arrows(known.real for known in one.found):
            new = arrow.source in sources and (arrow.source, arrow.target) not in usual
            if new and isinstance(arrow.target, Place):
                rows[called(arrow.source), called(arrow.target), arrow.label] = None
    return iter(rows)


# Ends.


def _ends(total: Tally) -> Iterator[str]:
    yield "## Ends"
    yield (
        "How people stand when a rollout has ended so; `domain/moves.py` tells what a status is.\n"
        "Whoever was never begun is `waiting`; a bake of its own moves nobody. What is done\n"
        "before the end is done in this order; where one of it fails, the end is another."
    )
    heads = (
        "outcome",
        "somebody is",
        "others may be",
        "after an interruption also",
        "done before the end",
        "where that fails",
    )
    reached = (outcome for outcome in ev.Outcome if outcome in total.ends)
    yield _table(heads, (_end(outcome, total.ends[outcome]) for outcome in reached))


def _end(outcome: ev.Outcome, end: End) -> Sequence[str]:
    people = {some for some in end.calm if some}
    somebody = needed(people, tuple(Status))
    others = _in_order(people, somebody)
    nobody = ("nobody",) if len(people) < len(end.calm) else ()
    return (
        f"**{outcome}**",
        ", ".join((*somebody, *nobody)),
        ", ".join(others),
        ", ".join(_in_order(end.disturbed, (*somebody, *others))),
        "; or ".join(", ".join(effects) for effects in end.last),
        ", ".join(end.fails),
    )


def _in_order(sets: Iterable[frozenset[str]], but: Iterable[str]) -> list[str]:
    found = {status for some in sets for status in some}.difference(but)
    return [status for status in Status if status in found]


# Effects.


def _effects(total: Tally) -> Iterator[str]:
    yield "## Effects and answers"
    yield (
        "Every effect may also answer `failed`. The last column says by whose fault it must have\n"
        "failed to be tried again."
    )
    heads = ("effect", "what it does", "while", "may answer", "tried again")
    used = (kind for kind in get_args(fx.Effect) if kind in total.uses)
    yield _table(heads, (_effect(kind, total.uses[kind]) for kind in used))


def _effect(kind: type, use: Use) -> Sequence[str]:
    faults = [fault for fault in Fault if fault in use.faults]
    return (
        words(kind),
        " ".join((kind.__doc__ or "").partition(".")[0].split()),
        ", ".join(stage for stage in Stage if stage in use.stages),
        ", ".join(use.answers),
        either(faults, list(Fault), ", ") if faults else "never",
    )


# Figures.


def _figures(explored: Sequence[Explored], total: Tally) -> Iterator[str]:
    yield "## What was explored"
    yield (
        "In every state everything was let happen that may: each answer of the effect's sort and,\n"
        "where interrupted, a crash and a wish to stop. Nowhere did `decide` or `evolve` raise\n"
        "anything, and what is no answer to an effect was refused. Without interruption no state\n"
        "comes again: every run ends, after so many effects at most."
    )
    heads = (
        "lane",
        "people",
        "attempts",
        "interrupted",
        "states",
        "transitions",
        "most effects",
        "most after the last interruption",
    )
    found = [(one.title, known) for one in explored for known in one.found]
    yield _table(heads, (_figures_of(title, known) for title, known in found))
    states = sum(len(known.states) for _, known in found)
    transitions = sum(known.transitions for _, known in found)
    yield f"Together {states:,} states and {transitions:,} transitions."
    yield "Reached of what the code names:"
    yield "\n".join(
        f"- {one.name}: {one.members - len(one.missing)} of {one.members}"
        + (f"; not {listed(one.missing)}" if one.missing else "")
        for one in total.reached()
    )


def _figures_of(title: str, known: Exploration) -> Sequence[str]:
    trial, plan = known.trial, known.trial.plan
    longest, rest = known.longest()
    return (
        f"{title}, forced" if plan.force else title,
        f"{len(plan.moves) or len(plan.baking)}",
        f"{plan.attempts_max}",
        "anywhere" if trial.interrupted else "never",
        f"{len(known.states):,}",
        f"{known.transitions:,}",
        f"{longest}",
        f"{rest}" if trial.interrupted else "",
    )
