"""The gate of a replayed host: what a build does there, judged by the domain's own judgements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import define

from t3safe.configuration import GateSettings
from t3safe.domain import checks
from t3safe.domain.checks import CheckResult
from t3safe.domain.effects import Subject
from t3safe.domain.errors import GateError
from t3safe.domain.gate import Rehearsal
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.versions import Version
from t3safe.simulation import rows as rowset
from t3safe.simulation.builds import UNDECODED, Data, SimulatedBuild, auth_broken, life
from t3safe.simulation.fleet import Mishap
from t3safe.simulation.incidents import Behaviour
from t3safe.simulation.person import SimulatedPerson
from t3safe.simulation.ports import EVENTS, SECONDS, SimulatedBuilds, SimulatedPersonalData
from t3safe.simulation.world import SimulatedWorld
from t3safe.t3 import serve_log

_MIGRATED: Final = 3
"""Checks after which the copy is migrated."""


@define(eq=False)
class SimulatedGate:
    """The gate: facts come from what the build does, the judgements are the domain's.

    A rehearsal depends on the build and on what kind of data it runs on, so each kind is judged
    once a night.
    """

    world: SimulatedWorld
    store: SimulatedBuilds
    states: SimulatedPersonalData
    settings: GateSettings

    def rehearse(self, build: Version, subjects: tuple[Subject, ...]) -> tuple[Rehearsal, ...]:
        world = self.world
        batches = -(-max(0, len(subjects) - 1) // self.settings.jobs)
        seconds = SECONDS["rehearse"] + self.settings.soak
        world.pass_time(SECONDS["empty"] + self.settings.soak + batches * seconds)
        found = self.store.store.get(build)
        if found is None:
            message = f"cannot rehearse {build}: the store has no program of it; stage it again"
            raise GateError(message)
        judged: dict[object, tuple[CheckResult, ...]] = {}
        rehearsals: list[Rehearsal] = []
        for subject in subjects:
            person, data, key = world.people.get(subject.person), None, None
            if person is not None:
                data = self.states.kept[subject.person][subject.snapshot][1]
                dies = Behaviour.DIES_AFTER_BOOT in found.faults and person.name
                key = (data.level, data.second_level, data.strange, data.traits, dies)
            if key not in judged:
                judged[key] = tuple(_up_to_a_failure(self._checks(found, person, data)))
            checks = judged[key]
            after = self._after(found, data) if len(checks) >= _MIGRATED else None
            rehearsals.append(Rehearsal(subject.person, build, checks, after, "replayed", seconds))
        return tuple(rehearsals)

    def fingerprint(self) -> str:
        known, gate_ = self.world.dispatch, self.settings
        spoken = f"{known.paths}{known.cookies}{known.protocols}"
        return f"{spoken}{self.world.node}{gate_.bind_host}{gate_.soak}"

    def _after(self, build: SimulatedBuild, data: Data | None) -> SetLedger:
        """The ledger once the build has migrated the copy."""
        schemas = self.world.schemas
        return schemas.of_build(build) if data is None else schemas.of_data(data.opened_by(build))

    def _checks(
        self, build: SimulatedBuild, person: SimulatedPerson | None, data: Data | None
    ) -> Iterator[CheckResult]:
        """Judge what the build does on this data, or on empty data, check after check."""
        world, schemas, deadline = self.world, self.world.schemas, self.settings.deadline
        yield checks.judge_identity(build.version, build.identity(world.node))

        live = checks.LiveFacts(True, True, None, 1.3, deadline)
        crash = "" if data is None else world.crash(build, data)
        if Mishap.GATE_DOWN in world.lasting:
            live = checks.LiveFacts(False, False, None, deadline, deadline)
        elif crash:
            live = checks.LiveFacts(False, False, 1, 1.0, deadline, crash)
        yield checks.judge_live(live)

        before = SetLedger() if data is None else schemas.of_data(data)
        empty = None if data is None else schemas.of_build(build)
        yield checks.judge_migrated(checks.MigratedFacts(before, self._after(build, data), empty))

        rows = {EVENTS: 0 if data is None else rowset.size(data.all_rows())}
        yield checks.judge_preserved(checks.PreservedFacts(rows, rows), self.settings.tolerance)

        cookie = build.cookie(loopback=self.settings.bind_host.startswith("127."))
        pairing = checks.PairingFacts(minted=True)
        if data is not None and auth_broken(build, data):
            pairing = checks.PairingFacts(minted=False, mint_problem=serve_log.NO_ROLE)
        elif build.pairing:
            sets = Behaviour.NO_COOKIE not in build.faults
            pairing = checks.PairingFacts(
                minted=True,
                path=build.pairing,
                status=200,
                cookie=cookie if sets else "",
                authenticated=sets,
                authenticated_again=sets,
            )
        yield checks.judge_paired(pairing)

        sockets = checks.SocketFacts(build.generation.sign_in.protocol)
        yield checks.judge_contract(build.pairing, cookie, world.dispatch, sockets)

        again = checks.LiveFacts(True, True, None, 1.2, deadline)
        if Behaviour.WORKS_ONCE in build.faults:
            again = checks.LiveFacts(
                False, False, 1, 1.0, deadline, "Cannot find module 'node-pty'"
            )
        yield checks.judge_reopened(again, pairing)

        soak = self.settings.soak
        held = checks.SoakFacts(soak, soak, None)
        dies = person is not None and Behaviour.DIES_AFTER_BOOT in build.faults
        if person is not None and dies and life(person.name, build) < soak:
            held = checks.SoakFacts(soak, life(person.name, build), 134, (serve_log.HEAP,))
        elif data is not None and data.traits & build.faults & UNDECODED:
            words = f"{serve_log.UNDECODABLE}: a row of a thread"
            held = checks.SoakFacts(soak, soak, None, (words,))
        yield checks.judge_soak(held)


def _up_to_a_failure(checks: Iterator[CheckResult]) -> Iterator[CheckResult]:
    for check in checks:
        yield check
        if not check.passed:
            return
