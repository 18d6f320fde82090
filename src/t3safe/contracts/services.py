"""What every implementation of the port Services promises."""

from __future__ import annotations

from typing import Protocol

from t3safe.domain.ports import ServeStatus, Services

STOPPED = ServeStatus(running=False)


class ServicesBench(Protocol):
    """A service manager under test, with units for alice and bob that are not started."""

    port: Services

    def work(self, person: str) -> None:
        """Let an agent named codex work from now on in every serve of this person."""

    def crash(self, person: str) -> None:
        """Let the serve's main process die by itself."""

    def left(self, person: str) -> bool:
        """Whether any process of the person's serve lives."""


class ServicesContract:
    """Runs on any bench; a subclass provides the fixture `services`."""

    def test_serve_that_was_not_started_does_not_run(self, services: ServicesBench) -> None:
        """A person whose serve is down is no error."""
        assert services.port.status("alice") == STOPPED

    def test_started_serve_runs_until_it_is_stopped(self, services: ServicesBench) -> None:
        """A start makes one process, and a stop leaves none of it."""
        services.port.start("alice")
        status = services.port.status("alice")
        assert status.running
        assert status.main_pid
        assert status.main_pid in status.members
        assert status.started is not None
        assert status.started.tzinfo is not None

        services.port.stop("alice")
        assert services.port.status("alice") == STOPPED
        assert not services.left("alice")

    def test_sample_tells_what_runs_beside_the_serve(self, services: ServicesBench) -> None:
        """The serve itself is none of it; an agent is, and waits to be used."""
        services.work("alice")
        services.port.start("alice")
        main = services.port.status("alice").main_pid
        sample = services.port.sample("alice")
        assert main not in {process.pid for process in sample.processes}
        assert sample.at > 0

    def test_nothing_runs_beside_a_serve_that_rests(self, services: ServicesBench) -> None:
        """A sample of it is empty."""
        services.port.start("alice")
        services.port.stop("alice")
        assert services.port.sample("alice").processes == ()

    def test_second_start_changes_nothing(self, services: ServicesBench) -> None:
        """A serve that runs stays the process that it is."""
        services.port.start("alice")
        before = services.port.status("alice")
        services.port.start("alice")
        assert services.port.status("alice").main_pid == before.main_pid

    def test_second_stop_changes_nothing(self, services: ServicesBench) -> None:
        """Stopping what is stopped, or was never started, is no error."""
        services.port.stop("bob")
        services.port.start("alice")
        services.port.stop("alice")
        services.port.stop("alice")
        assert services.port.status("alice") == STOPPED

    def test_serve_starts_again_after_a_stop(self, services: ServicesBench) -> None:
        """A stop, however the serve ended, does not stand in the way of the next start."""
        services.port.start("alice")
        first = services.port.status("alice").main_pid
        services.port.stop("alice")
        services.port.start("alice")
        second = services.port.status("alice")
        assert second.running
        assert second.main_pid != first

    def test_people_do_not_disturb_one_another(self, services: ServicesBench) -> None:
        """A stop of one person leaves the other's process as it is."""
        services.port.start("alice")
        services.port.start("bob")
        bob = services.port.status("bob").main_pid

        services.port.stop("alice")

        assert not services.port.status("alice").running
        assert services.port.status("bob").main_pid == bob

    def test_agents_of_a_serve_are_named(self, services: ServicesBench) -> None:
        """An agent that works below a serve is seen there, and nowhere else."""
        services.work("alice")
        services.port.start("alice")
        services.port.start("bob")
        assert services.port.status("alice").agents == ("codex",)
        assert services.port.status("bob").agents == ()

    def test_crashed_serve_does_not_run_and_starts_again(self, services: ServicesBench) -> None:
        """A serve that died by itself is down, can be stopped, and can be started."""
        services.port.start("alice")
        services.crash("alice")
        status = services.port.status("alice")
        assert (status.running, status.main_pid) == (False, None)

        services.port.stop("alice")
        services.port.start("alice")
        assert services.port.status("alice").running
