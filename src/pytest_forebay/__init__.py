"""Fixtures for tests of apps that use Forebay. Every pytest run loads this, so nothing heavy is imported before use.

`forebay_app` in the configuration of pytest names the app under test, `module:attribute`; without it the fixture of the
same name is an empty app.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from forebay import Forebay
    from forebay.testing import ManualClock


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one setting."""
    parser.addini("forebay_app", "the Forebay app under test, module:attribute", default="")


@pytest.fixture
def forebay_clock() -> "ManualClock":
    """A clock that stands still until the test moves it; the clock of `forebay_app`."""
    from forebay.testing.clock import ManualClock

    return ManualClock()


@pytest.fixture
def forebay_app(pytestconfig: pytest.Config, forebay_clock: "ManualClock") -> "Iterator[Forebay]":
    """The app under test in memory, empty, at the time of `forebay_clock`; wherever its settings say it lives."""
    from forebay import Forebay
    from forebay.locate import locate
    from forebay.testing import in_memory

    where = pytestconfig.getini("forebay_app")
    with in_memory(locate(where) if where else Forebay("memory://"), forebay_clock) as app:
        yield app
