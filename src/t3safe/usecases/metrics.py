"""Measure the host through the ports; change nothing.

A value that cannot be read is unknown, and `problems` names it: the host may be broken.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from t3safe.domain.metrics import HostMetrics, PersonMetrics, asked
from t3safe.domain.versions import Version
from t3safe.usecases.host import Host, Reader, all_people, deferrals


def measure(
    host: Host,
    newest: Version | None,
    verdicts: Callable[[], tuple[tuple[str, int], ...]],
    ended: tuple[tuple[str, datetime], ...] = (),
) -> HostMetrics:
    """Measure the host; `newest` is the registry's last known offer, None for none.

    `ended` is each command with the time of its last end.
    """
    ask = Reader()
    selection = host.ports.selection
    people, problems = ask(lambda: all_people(host)) or ((), ())
    ask.problems.extend(f"user map {problem}" for problem in problems)
    return HostMetrics(
        at=host.ports.clock.now(),
        people=tuple(_person(host, person, ask) for person in people),
        frozen=ask(host.ports.switch.frozen),
        newest=newest,
        last_good=ask(selection.last_good),
        default=ask(selection.default),
        stale_after=host.rules.stale_after,
        deferred_max=host.rules.deferred_max,
        runs=ask(lambda: tuple(asked(host.ports.journal.runs()))),
        ends=ask(host.ports.journal.ends) or {},
        waiting=ask(lambda: deferrals(host, people) if people else ()),
        verdicts=ask(verdicts) or (),
        ended=ended,
        problems=tuple(ask.problems),
        fleet=host.ports.permit.membership(),
    )


def _person(host: Host, person: str, ask: Reader) -> PersonMetrics:
    selected = ask(lambda: host.ports.selection.selected(person))
    infos = ask(lambda: host.ports.personal_data.snapshots(person))
    return PersonMetrics(
        person=person,
        build=selected.build if selected is not None else None,
        fenced=selected.fenced if selected is not None else None,
        snapshots=None if infos is None else tuple(info.stored for info in infos),
    )
