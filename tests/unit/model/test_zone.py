"""Time zones that a host does not know: whoever meets one is told what to do about it."""

import sys
import zoneinfo
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from forebay import ConfigError, Forebay
from forebay.flow.cron import check_zone, following
from forebay.model.wire import exactly, unpack
from forebay.testing import drain

NAME = "America/Caracas"
AT = datetime(2026, 11, 28, tzinfo=ZoneInfo(NAME))


@pytest.fixture
def no_zones(monkeypatch):
    """As in a small image of a container: the system has no zone, and the package tzdata is not there.

    Other zones stay in the cache: what other tests hold would not be the same as what they read anew.
    """
    monkeypatch.setitem(sys.modules, "tzdata", None)
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=())
    ZoneInfo.clear_cache(only_keys=[NAME])
    yield
    zoneinfo.reset_tzpath(to=before)
    ZoneInfo.clear_cache(only_keys=[NAME])


def test_a_schedule_says_to_install_the_zones_and_not_that_its_own_is_no_zone(no_zones):
    with pytest.raises(ConfigError, match=rf"'{NAME}' is not known here: .* no time zones at all: install tzdata"):
        check_zone(NAME)


def test_utc_needs_none(no_zones):
    assert following("@daily", "UTC", 1.0) == 86_400.0
    assert unpack(packed(AT.astimezone(UTC))) == AT


def test_a_name_that_is_none_is_refused_with_what_to_write():
    with pytest.raises(ConfigError, match=r"use an IANA name such as Europe/Vienna; of a newer zone, update tzdata"):
        check_zone("Europe/Atlantis")


def test_a_message_with_a_zone_is_a_dead_letter_that_says_what_its_worker_lacks(no_zones, tmp_path):
    app = Forebay(f"sqlite:///{tmp_path}/q.db")

    @app.task
    def of_a_time(at: datetime) -> None: ...

    @app.task
    def of_a_zone(zone: ZoneInfo) -> None: ...

    zoneinfo.reset_tzpath()  # whoever sends has them
    handles = [of_a_time.enqueue(AT), of_a_zone.enqueue(ZoneInfo(NAME))]
    zoneinfo.reset_tzpath(to=())
    ZoneInfo.clear_cache(only_keys=[NAME])
    with app:
        drain(app)
        for handle in handles:
            found = handle.find()
            assert (found.state, found.attempt) == ("dead", 1)
            assert f"bad arguments: task {found.task}: time zone '{NAME}' is not known here: " in found.cause
            assert "install tzdata" in found.cause


def packed(value):
    return msgspec.msgpack.encode(exactly(value, lambda other: other))
