"""Looking into one app for a task of another: the fixture `forebay_app` is an empty one, where none is configured."""

import pytest

from forebay import ConfigError, Forebay
from forebay.testing import assert_enqueued, enqueued

APP = Forebay("memory://")


@APP.task
def send(to: str) -> None: ...


@pytest.mark.parametrize("look", [enqueued, assert_enqueued])
def test_a_task_of_another_app_is_refused_and_says_what_to_configure(look):
    with pytest.raises(
        ConfigError, match=r"task send is none of <Forebay memory:// with 0 tasks>, and what it sends"
    ) as info:
        look(Forebay("memory://"), send)
    assert 'forebay_app = "module:app"' in str(info.value)


def test_what_is_asked_of_a_queue_is_named():
    with pytest.raises(AssertionError, match=r"not enqueued: anything on queue clicks\. There waits nothing of it"):
        assert_enqueued(APP, "clicks")
