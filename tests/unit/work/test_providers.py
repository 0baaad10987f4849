"""What becomes of a message that was leased, by what this worker has last seen of its provider."""

import pytest
from msgspec.structs import replace

from forebay import Context, Forebay
from forebay.flow.breaker import advance
from forebay.model.delivery import Delivery
from forebay.model.message import Failure
from forebay.model.outcome import DeadLetter, Park, Release
from forebay.model.provider import Provider, Stand, Terms
from forebay.work.providers import ALONE, Providers
from forebay.work.run import Run
from forebay.work.storetime import Heard, steady

NOW = 1_000.0
CLOSED = Provider(name="smtp")
OPEN = replace(CLOSED, stand=Stand.OPEN, until=NOW + 5, down=NOW - 60)


def looking(seen):
    app = Forebay("memory://")
    app.provider("smtp")

    @app.task(provider="smtp")
    async def send() -> None: ...

    providers = Providers(app.registry.providers)
    providers.view["smtp"] = seen
    return providers, send


def held(seen, now=NOW):
    providers, send = looking(seen)
    return providers.held(send, Delivery(1, "a", "default", "send", b"", 1, 1, lane="smtp"), now)


@pytest.mark.parametrize(
    "seen",
    [OPEN, replace(OPEN, until=None), replace(CLOSED, throttled=NOW + 1), replace(OPEN, until=NOW, throttled=NOW + 1)],
    ids=["open", "open by hand", "asked to wait", "to be probed, and asked to wait"],
)
def test_one_whose_provider_is_not_to_be_asked_is_handed_back(seen):
    assert isinstance(held(seen), Release)


def test_one_that_is_handed_out_when_the_pause_is_over_is_the_probe_that_others_have_let_go():
    providers, send = looking(OPEN)
    probe = Delivery(1, "a", "default", "send", b"", 1, 1, lane="smtp")
    assert providers.held(send, probe, NOW + 5) is None
    assert providers.view["smtp"].stand is Stand.HALF_OPEN, "so that what it comes to is told as that of a probe"


def test_one_that_is_handed_out_to_be_found_dead_is_no_probe():
    assert isinstance(held(replace(OPEN, burying=True, until=NOW)), Release)


class Failing(Exception):
    status = 500


class Throttled(Exception):
    status = 429

    def __init__(self, **headers):
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def outcomes(seen, times, message="a", error=None):
    """What becomes of a message that fails so often while its provider is seen like this."""
    return [outcome for outcome, _ in ends(seen, times, message, error or Failing())]


def ends(seen, times, message, error):
    """The same, each with what its call says of the provider."""
    providers, send = looking(seen)
    failure, found = Failure("Failing", "500"), []
    for fence in range(1, times + 1):
        delivery = Delivery(1, message, "default", "send", b"", fence, 1, lane="smtp")
        run = Run(delivery, send, (), {}, Context(delivery), Heard(NOW, steady()))
        result = providers.judged(run, error, failure)
        providers.ended(run, result)
        found.append((result, providers.take()["smtp"][0]))
    return found


def test_a_message_that_alone_meets_an_outage_again_and_again_has_its_attempts_counted():
    found = outcomes(CLOSED, ALONE + 2)
    assert all(isinstance(one, Park) for one in found[:ALONE])
    assert found[ALONE:] == [None, None]


def test_a_probe_that_has_failed_lets_others_of_its_provider_go_first():
    found = outcomes(replace(OPEN, stand=Stand.HALF_OPEN), 40)
    assert all(one.behind > 0 for one in found)
    assert max(one.behind for one in found) > 5  # more than a pause: several that always fail do not take turns


@pytest.mark.parametrize("seen", [CLOSED, OPEN])
def test_one_that_fails_and_was_no_probe_keeps_its_turn(seen):
    assert {one.behind for one in outcomes(seen, 3)} == {0.0}


@pytest.mark.parametrize("seen", [OPEN, replace(OPEN, stand=Stand.HALF_OPEN)])
def test_a_failed_call_says_why_also_where_its_message_waits_no_longer(seen):
    providers, send = looking(replace(seen, terms=Terms(max_outage=1.0)))
    delivery = Delivery(1, "a", "default", "send", b"", 1, 1, lane="smtp")
    run = Run(delivery, send, (), {}, Context(delivery), Heard(NOW, steady()))
    ended = providers.judged(run, Failing(), Failure("Failing", "500"))
    assert isinstance(ended, DeadLetter)
    providers.ended(run, ended)
    [call] = providers.take()["smtp"]
    after = advance(replace(seen, stand=Stand.HALF_OPEN), [call], NOW, 0.5, 0)
    assert (call.ok, after.stand, after.reason) == (False, Stand.OPEN, "answered 500")


@pytest.mark.parametrize("seen", [replace(CLOSED, down=NOW - 1), replace(OPEN, stand=Stand.HALF_OPEN)])
def test_one_that_meets_an_outage_of_all_has_not(seen):
    assert all(isinstance(one, Park) for one in outcomes(seen, ALONE + 2))


PASSED = [
    {}, {"retry_after": "0"}, {"retry_after": "Thu, 01 Jan 1970 00:00:00 GMT"}, {"retry_after": "-1"},
    {"retry_after_ms": "0"}, {"x_ratelimit_reset": "0"},
]  # fmt: skip


@pytest.mark.parametrize("headers", PASSED, ids=str)
def test_one_that_throttles_and_names_no_time_to_come_has_failed(headers):
    """Or each message would ask it again every second, for ever: that opens no breaker, and uses up no attempt."""
    ((parked, call),) = ends(CLOSED, 1, "a", Throttled(**headers))
    assert (parked.until, call.ok, call.until) == (None, False, None)
    assert parked.reason.startswith("provider smtp asked to wait")


@pytest.mark.parametrize("headers", PASSED, ids=str)
def test_a_probe_that_is_throttled_so_lets_no_other_go_before_the_pause_is_over(headers):
    (parked,) = outcomes(replace(OPEN, stand=Stand.HALF_OPEN), 1, error=Throttled(**headers))
    assert parked.until > NOW + 1
    assert parked.behind > 0


def test_who_names_a_time_is_left_alone_until_then_and_has_not_failed():
    ((parked, call),) = ends(CLOSED, 1, "a", Throttled(retry_after="30"))
    assert (parked.behind, call.ok, call.until) == (0.0, None, parked.until)
    assert parked.until == pytest.approx(NOW + 30, abs=1)


def test_repeats_after_the_shortest_of_waits_have_the_retry_budget_as_well():
    """One that says "in 20 ms" again and again would be asked fifty times a second for each slot."""
    found = outcomes(CLOSED, 300, error=Throttled(retry_after_ms="20"))
    assert found[0].behind == 0.0
    assert found[-1].behind > 5
