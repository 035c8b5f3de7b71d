"""What the tests of schedules share."""

import pytest

from tests.support.region import Parley
from tests.support.runs import Agents
from tests.support.schedules import Planner


@pytest.fixture
def planner(parley: Parley) -> Planner:
    """A deployment with schedules."""
    return Planner(parley, Agents(parley))
