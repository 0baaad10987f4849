"""An engine that has the live verbs alone, held to the suite: what it lacks is skipped, each time with the reason."""

import pytest

from engines.toy import Toy
from forebay.model.clock import SystemClock
from forebay.testing.conformance import *  # noqa: F403 - the suite is what this module consists of


@pytest.fixture
def make_backend():
    return lambda clock=None: Toy(clock or SystemClock())
