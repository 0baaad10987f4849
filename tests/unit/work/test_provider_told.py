"""What the log says when a provider comes to stand otherwise."""

import logging

import pytest
from msgspec.structs import replace

from forebay.model.provider import Provider, Stand
from forebay.work.governor import Governor

DOWN = Provider(name="smtp", stand=Stand.OPEN, reason="no connection")


@pytest.mark.parametrize(
    ("stand", "says"),
    [
        (Stand.OPEN, "provider smtp: open: no connection"),
        (Stand.HALF_OPEN, "provider smtp: half-open: no connection"),
        (Stand.RAMP, "provider smtp: ramp"),  # it answers again: that it did not is no reason for that
    ],
)
def test_why_it_was_down_is_not_told_of_its_coming_back(stand, says, caplog):
    caplog.set_level(logging.INFO, "forebay.provider")
    before = replace(DOWN, stand=Stand.CLOSED if stand is Stand.OPEN else Stand.OPEN)
    Governor._tell(before, replace(DOWN, stand=stand))
    assert caplog.messages == [says]
