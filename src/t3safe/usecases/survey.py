"""The host's state before a plan: who runs which build, obstacles, and warnings."""

from __future__ import annotations

from functools import partial

from attrs import frozen

from t3safe.domain import events as ev
from t3safe.domain.errors import DeadLinkError
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Status
from t3safe.domain.obstacles import Obstacle, ahead, held, unknown_to_all
from t3safe.domain.policy import Policy, Standing
from t3safe.domain.unmapped import Unmapped, unmapped
from t3safe.person import chosen, give_selections, hidden_copy, migrated_by
from t3safe.usecases.host import Host, Reader, all_people, owner_policy, refusals


@frozen
class Survey:
    """The policy's inputs, and the warnings of the survey."""

    people: tuple[str, ...]
    policy: Policy
    standing: Standing
    warnings: tuple[str, ...]


def standing_of(host: Host, people: tuple[str, ...]) -> Standing:
    """Return the policy's view of the host.

    It leaves out fenced people, because `recover` comes first, and people with a dead link.
    """
    selected = ((person, chosen(host.ports, person)) for person in people)
    frozen = host.ports.switch.frozen()
    return Standing(
        builds=tuple((person, build) for person, build in selected if build is not None),
        last_good=host.ports.selection.last_good(),
        frozen=frozen,
        # A frozen host asks nothing more, not even for the gate's fingerprint.
        refused=() if frozen else refusals(host),
    )


def survey(host: Host, *, repair: bool) -> Survey:
    """Survey the host as a whole.

    With `repair` it restores a launcher that another installer replaced, and gives each person who
    is new in the map a selection of the build that they run.
    """
    restored = host.ports.selection.ensure_launcher() if repair else ""
    people, problems = all_people(host)
    if repair:
        give_selections(host.ports, people)
    read = Reader()
    strangers = read(partial(unmapped_serves, host, people)) or ()
    return Survey(
        people=people,
        policy=owner_policy(host),
        standing=standing_of(host, people),
        warnings=(
            *((f"LAUNCHER RESTORED: {restored}",) if restored else ()),
            *(f"user map {problem}; that line is skipped" for problem in problems),
            *(why for why in map(partial(astray, host), people) if why),
            *map(str, strangers),
            *read.problems,
        ),
    )


def ahead_of_builds(host: Host, person: str, ledger: SetLedger) -> Obstacle | None:
    """Say that no build here knows a person's data; None when one may.

    Raises BuildError, SelectionError.
    """
    builds = host.ports.builds
    runs = chosen(host.ports, person)
    if runs is None or builds.schema(runs) is None:
        return None
    schemas = (builds.schema(build) for build in builds.present())
    known = tuple(schema for schema in schemas if schema is not None)
    strange = unknown_to_all(ledger, known)
    if not strange:
        return None
    return ahead(person, strange, "any build here", migrated_by(host.ports, person))


def obstacle_of(host: Host, person: str) -> Obstacle | None:
    """Say what is wrong with a person's data alone; None when nothing is found.

    Raises PortError when it cannot be checked, also for data that cannot be read.
    """
    found = ahead_of_builds(host, person, host.ports.personal_data.ledger(person))
    if found is not None:
        return found
    copy = hidden_copy(host.ports, person, host.ports.personal_data.activity(person))
    if copy is not None:
        return copy
    holder = host.ports.personal_data.holder(person, host.ports.services.status(person).members)
    return held(person, holder) if holder else None


def left_behind(host: Host) -> dict[str, str]:
    """Return whom the newest run did not move because of their own data, with the reason."""
    for run in host.ports.journal.runs():
        if run.moves and run.kind is not ev.Kind.CHECK:
            return {
                move.person: move.reason
                for move in run.moves
                if move.status in {Status.REFUSED, Status.HELD_BACK}
                and chosen(host.ports, move.person) == move.old
            }
    return {}


def astray(host: Host, person: str) -> str:
    """Say why a person's selection is a dead link, with what repairs it; empty when it is not."""
    try:
        host.ports.selection.selected(person)
    except DeadLinkError as error:
        return str(error)
    return ""


def unmapped_serves(host: Host, people: tuple[str, ...]) -> tuple[Unmapped, ...]:
    """Return the running serves of users outside the user map.  Raises PeopleError."""
    return unmapped(host.ports.residents.running(), people)


def fenced(host: Host) -> tuple[str, ...]:
    """Return the fenced people; one whose selection cannot be read is left out."""
    read = Reader()
    people, _ = read(partial(all_people, host)) or ((), ())
    selected = ((person, read(partial(host.ports.selection.selected, person))) for person in people)
    return tuple(person for person, found in selected if found is not None and found.fenced)
