"""The public suite, run on every engine of this house. Another engine is another line in `URLS`."""

import pytest

from forebay.config import Settings
from forebay.engine.registry import build
from forebay.model.clock import SystemClock
from forebay.testing.conformance import *  # noqa: F403 - the suite is what this module consists of

URLS = {"memory": "memory://", "sqlite": "sqlite:///{folder}/queue.db"}


@pytest.fixture(params=URLS)
def make_backend(request, tmp_path):
    settings = Settings(url=URLS[request.param].format(folder=tmp_path))
    return lambda clock=None: build(settings, clock or SystemClock())
