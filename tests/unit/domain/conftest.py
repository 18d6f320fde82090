"""Playbooks for the tests of decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fakes.playbook import Playbook, fold
from t3safe.domain import events as ev

Play = Callable[[ev.Plan], Playbook]


@pytest.fixture
def play() -> Iterator[Play]:
    """Hand out playbooks; each must be complete, and its journal must give its rollout back."""
    begun: list[Playbook] = []

    def begin(plan: ev.Plan) -> Playbook:
        begun.append(Playbook(plan))
        return begun[-1]

    yield begin
    for playbook in begun:
        playbook.must_be_complete()
        assert playbook.broken or fold(playbook.journal) == playbook.rollout
