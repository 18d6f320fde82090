"""`rollback` and `restore`: preview, ask, act, and print the command that undoes it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import nullcontext
from typing import NoReturn

import attrs
import click

from t3safe.domain.errors import NoWayBackError
from t3safe.domain.events import Outcome
from t3safe.domain.messages import LogLevel, LogLine
from t3safe.domain.move import Move
from t3safe.domain.policy import SkipReason
from t3safe.domain.rollback import PersonOutcome, Preview, preview_lines, summary, undo
from t3safe.domain.versions import Version
from t3safe.entrypoints import output, rendering
from t3safe.entrypoints.app import (
    VERSION,
    App,
    as_json_option,
    ask,
    for_whom,
    force_option,
    known_person,
    leave,
    one_or_all,
    yes_option,
)
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.wiring.live import Live
from t3safe.usecases.host import Result, owner_policy
from t3safe.usecases.recover import settle
from t3safe.usecases.rollback import Took, Whole, cost, go_back, look, preview, take_back, way_back

dry_run_option = click.option("--dry-run", is_flag=True, help="Only show what would be lost.")


@click.command()
@click.argument("words", metavar="[PERSON] SNAPSHOT", nargs=-1, required=True)
@dry_run_option
@force_option
@yes_option
@as_json_option
@click.pass_obj
def restore(app: App, /, words: tuple[str, ...], **how: bool) -> NoReturn:
    """Restore a person's data from a snapshot, with the build that wrote it."""
    match for_whom(app, words, 1):
        case (person, snapshot):
            _one(app, person, None, snapshot, how)
        case _:
            raise click.UsageError("give PERSON and SNAPSHOT")


@click.command()
@click.argument("person", required=False)
@click.option("--all", "for_all", is_flag=True, help="All people, one after another.")
@click.option(
    "--to",
    "build",
    type=VERSION,
    help="The build to roll back to (default: the previous one).",
)
@dry_run_option
@force_option
@yes_option
@as_json_option
@click.pass_obj
def rollback(
    app: App, /, person: str | None, build: Version | None, *, for_all: bool, **how: bool
) -> NoReturn:
    """Roll one person or all people back to an older build, with data that it can read."""
    person = one_or_all(app, person, for_all=for_all)
    if person is None:
        _all_people(app, build, how)
    _one(app, person, build, "", how)


# One person.


def _one(
    app: App, person: str, build: Version | None, snapshot: str, how: dict[str, bool]
) -> NoReturn:
    as_json = how["as_json"]
    if how["yes"] and not how["dry_run"]:
        output.act()
    with app.host("run", aside=as_json) as wired:
        known_person(wired, person)
        # While another run acts, the way back may still change.
        with nullcontext() if how["dry_run"] else wired.locked(0.0):
            shown = preview(wired.host, person, build, snapshot)
        _show(wired, (shown,), said=not as_json)
    if how["dry_run"]:
        if as_json:
            rendering.print_json("going-back", _body(shown))
        sys.exit(Exit.OK)
    ask(f"roll {person} back?", yes=how["yes"])
    with app.acting("run", aside=as_json) as wired:
        result = settle(wired.host)
        if result is None:
            _unchanged(wired, shown, build, snapshot)
            result = go_back(wired.host, person, build, snapshot, force=how["force"])
        moves = _moves(result)
        for move in moves:
            _say_undo(wired, move)
        if moves:
            _say_what_comes(wired, (shown,), moves)
        ended = _stands(result, person)
        ended["preview"] = _body(shown)
        ended["undo"] = next((undo(move) for move in moves if move.person == person), "")
        leave(wired, result, as_json=as_json, people={person: ended})


def _unchanged(wired: Live, shown: Preview, build: Version | None, snapshot: str) -> None:
    """Refuse if the way back changed: another run may have acted during the question."""
    person = shown.way.person
    try:
        way = way_back(wired.host, person, build, snapshot)
    except NoWayBackError as error:
        raise _changed(person) from error
    if way != shown.way:
        raise _changed(person)


def _changed(whom: str) -> NoWayBackError:
    message = f"cannot roll {whom} back: the way back changed after it was shown"
    return NoWayBackError(f"{message}; nothing was changed; run the command again")


# All people.


def _all_people(app: App, build: Version | None, how: dict[str, bool]) -> NoReturn:
    as_json = how["as_json"]
    if how["yes"] and not how["dry_run"]:
        output.act()
    with app.host("run", aside=as_json) as wired:
        with nullcontext() if how["dry_run"] else wired.locked(0.0):
            whole = look(wired.host, build)
            shown = tuple(cost(wired.host, way) for way in whole.ways)
        _show(wired, shown, said=not as_json)
        for line in _around(whole, build) if not as_json else ():
            click.echo(line)
    if how["dry_run"]:
        if as_json:
            rendering.print_json("going-back-all", _whole_body(whole, shown))
        sys.exit(Exit.OK)
    if whole.ways:
        ask(f"roll {_names(whole)} back, one after another?", yes=how["yes"])
    with app.acting("run", aside=as_json) as wired:
        left = settle(wired.host)
        if left is not None:
            leave(wired, left, as_json=as_json)
        if look(wired.host, build) != whole:
            raise _changed(_names(whole) or "all people")
        took = _take(wired, whole, force=how["force"])
        _say_what_comes(wired, shown, [move for each in took for move in _moves(each.result)])
        people = {each.fared.person: _took_body(each, shown) for each in took}
        leave(wired, _end(took), as_json=as_json, people=people)


def _names(whole: Whole) -> str:
    return ", ".join(way.person for way in whole.ways)


def _take(wired: Live, whole: Whole, *, force: bool) -> list[Took]:
    """Roll people back, and report each one's outcome, even if the journal fails."""
    took: list[Took] = []
    try:
        for each in take_back(wired.host, whole, force=force):
            took.append(each)
            for move in _moves(each.result):
                _say_undo(wired, move)
    finally:
        for outcome, line in summary(each.fared for each in took):
            wired.say(
                LogLine(LogLevel.INFO if outcome is PersonOutcome.BACK else LogLevel.WARNING, line)
            )
    return took


def _around(whole: Whole, build: Version | None) -> Iterable[str]:
    """Yield the lines that the previews do not contain."""
    if whole.leaves is not None:
        yield f"people leave {whole.leaves}, to which the newest run moved them"
    elif build is None:
        yield "no run has moved anyone: there is nothing to roll back"
    yield from (f"{person} stays: {why}" for person, why in whole.staying)
    yield from (f"{person} has no way back and stays: {why}" for person, why in whole.stuck)


def _end(took: list[Took]) -> Result:
    """Return the result of the whole: the failure, else what was left undone, else success."""
    outcomes = [each.fared.outcome for each in took]
    failed = next((each for each in took if each.fared.outcome is PersonOutcome.FAILED), None)
    reason = f"{outcomes.count(PersonOutcome.BACK)} of {len(outcomes)} are back"
    if failed is not None and failed.result is not None:
        reason = f"{reason}; {failed.fared.person}: {failed.fared.reason}"
        return attrs.evolve(failed.result, reason=reason, warnings=(), rollout=None)
    if PersonOutcome.STUCK in outcomes:
        return Result(None, reason, stayed=SkipReason.REFUSED)
    if {PersonOutcome.PASSED_OVER, PersonOutcome.NOT_REACHED} & set(outcomes):
        return Result(None, reason, stayed=SkipReason.LATER)
    if PersonOutcome.BACK in outcomes:
        return Result(Outcome.MOVED, reason)
    return Result(None, "no one to roll back", stayed=SkipReason.NOTHING)


# What both print.


def _show(wired: Live, shown: Iterable[Preview], *, said: bool) -> None:
    now = wired.host.ports.clock.now()
    for shown_way in shown if said else ():
        for line in preview_lines(shown_way, now):
            click.echo(line)


def _moves(result: Result | None) -> tuple[Move, ...]:
    return result.rollout.moves if result is not None and result.rollout is not None else ()


def _say_undo(wired: Live, move: Move) -> None:
    if command := undo(move):
        wired.say(LogLine(LogLevel.INFO, f"to undo this: {command}", move.person))


def _say_what_comes(wired: Live, shown: Iterable[Preview], moves: Iterable[Move]) -> None:
    """Say to which build the next run would move them again."""
    back = {move.person for move in moves if undo(move)}
    held = owner_policy(wired.host).held
    ways = [preview.way for preview in shown if preview.way.person in back]
    left = {way.old for way in ways if way.old > way.build} - held
    for build in sorted(left):
        text = f"the next run may move them to {build} again; `t3safe hold {build}` prevents it"
        wired.say(LogLine(LogLevel.INFO, text))


def _stands(result: Result, person: str) -> dict[str, object]:
    for move in _moves(result):
        if move.person == person:
            return {"status": move.status.value, "reason": move.reason}
    return {"status": PersonOutcome.NOT_REACHED.value, "reason": result.reason}


def _took_body(took: Took, shown: Iterable[Preview]) -> dict[str, object]:
    person = took.fared.person
    moves = [move for move in _moves(took.result) if move.person == person]
    return {
        "status": moves[0].status.value if moves else took.fared.outcome.value,
        "fate": took.fared.outcome.value,
        "reason": took.fared.reason,
        "run": took.result.run if took.result is not None else "",
        "preview": next((_body(item) for item in shown if item.way.person == person), None),
        "undo": undo(moves[0]) if moves else "",
    }


def _body(shown: Preview) -> dict[str, object]:
    way = shown.way
    return {
        "person": way.person,
        "old": way.old.text,
        "build": way.build.text,
        "snapshot": way.snapshot,
        "taken": way.taken.isoformat(),
        "restore": way.restore,
        "rows": {row.table: row.rows for row in shown.rows},
        "uncounted": shown.uncounted,
        "work": shown.work,
    }


def _whole_body(whole: Whole, shown: Iterable[Preview]) -> dict[str, object]:
    return {
        "leaves": str(whole.leaves or ""),
        "people": [_body(preview) for preview in shown],
        "staying": dict(whole.staying),
        "stuck": dict(whole.stuck),
    }
