"""Testing an app, 3: fault points. What happens to *your* work when a worker dies, freezes or loses its database?"""

import pytest

from fleet import Place, until
from forebay import ConfigError, EngineUnreachable, Forebay, Message, OutcomeUnknown, Retry, State
from forebay.engine.waiting import drive
from forebay.testing import Fault, ManualClock, crash, drain, fail

RUN_TWICE = [(State.READY, False), (State.DONE, True)]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def app(clock):
    return Forebay("memory://", clock=clock)


@pytest.fixture
def charge(app):
    """A task that is not idempotent, as its test will show."""

    @app.task(retry=Retry(max_attempts=3))
    def charge(amount: int) -> None:
        charge.account += amount

    charge.account = 0
    return charge


def how(ended):
    return [(one.state, one.settled) for one in ended]


@pytest.mark.parametrize(
    ("point", "runs", "account"),
    [
        ("after lease", RUN_TWICE, 10),
        ("before run", RUN_TWICE, 10),
        ("after run", RUN_TWICE, 20),
        ("before settle", RUN_TWICE, 20),
        ("before lease", [(State.DONE, True)], 10),
        ("after settle", [(State.DONE, True)], 10),
    ],
)
def test_a_worker_that_dies_between_run_and_settle_makes_its_task_run_twice(app, charge, point, runs, account):
    charge.enqueue(10)
    with Fault(app, point, crash) as fault:
        assert how(drain(app)) == runs
    assert fault.struck == 1
    assert charge.account == account


def test_a_worker_that_was_frozen_past_its_lease_settles_nothing(app, charge, clock):
    charge.enqueue(10)
    with Fault(app, "before settle", lambda: clock.advance(app.settings.lease + 1)):
        late, again = drain(app)
    assert (late.settled, late.cause) == (False, "its lease was lost, so this run does not count")
    assert (again.settled, again.state, again.attempt) == (True, State.DONE, 2)


def test_a_message_that_kills_its_worker_three_times_is_quarantined(app, charge):
    handle = charge.enqueue(10)
    with Fault(app, "after run", crash, times=99) as fault:
        assert how(drain(app)) == [(State.READY, False), (State.READY, False), (State.DEAD, False)]
    assert fault.struck == 3
    assert drive(handle.afind()).cause.startswith("lost 3 workers")


def test_an_error_is_raised_where_it_is_asked_for(app, charge):
    with Fault(app, "before publish", fail(EngineUnreachable("gone"))), pytest.raises(EngineUnreachable, match="gone"):
        charge.enqueue(10)
    with (
        Fault(app, "after publish", fail(OutcomeUnknown("no answer"))),
        pytest.raises(OutcomeUnknown, match="no answer") as unknown,
    ):
        charge.enqueue(10)
    (id_,) = unknown.value.ids
    assert charge.using(id=id_).enqueue(10).duplicate, "the one that was not answered is there"
    with Fault(app, "before run", fail(OSError("disk"))):
        assert [type(one.error) for one in drain(app)] == [OSError]
    drain(app, ahead=3600)
    assert charge.account == 10


def test_a_fault_meets_one_task_only_when_asked_and_strikes_no_more_than_it_may(app, charge):
    @app.task
    async def other() -> str:
        return "well"

    @app.consume("clicks", retry=Retry(max_attempts=9))
    def load(messages: list[Message]) -> None: ...

    for _ in range(3):
        charge.enqueue(1)
        other.enqueue()
        app.publish("clicks", 1)
    for name, struck in (("other", 2), ("load", 2), ("charge", 2), ("nobody", 0)):
        with Fault(app, "before run", crash, times=2, task=name) as fault:
            drain(app)
            for _ in range(3):
                charge.enqueue(1)
                other.enqueue()
                app.publish("clicks", 1)
        assert (name, fault.struck) == (name, struck)


def test_disarmed_it_leaves_no_trace(app, charge):
    before = dict(vars(app)), charge.function
    with Fault(app, "before settle", crash), Fault(app, "after run", crash):
        assert (dict(vars(app)), charge.function) != before
    assert (dict(vars(app)), charge.function) == before


def test_a_point_that_does_not_exist_is_refused_with_those_that_do(app):
    with pytest.raises(ConfigError, match="there is before publish, after publish, before lease"):
        Fault(app, "before breakfast", crash)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="meets all messages"):
        Fault(app, "before settle", crash, task="charge")


APP = """
import pathlib

from forebay import Forebay
from forebay.testing import Fault, kill

app = Forebay()


@app.task
def charge() -> None:
    with open("charged", "a") as file:
        file.write("10 ")


def kill_once():
    mark = pathlib.Path("killed")
    if not mark.exists():
        mark.touch()
        kill()


Fault(app, "before settle", kill_once, times=9).arm()
"""


def test_armed_in_the_apps_module_a_real_worker_process_is_really_killed(tmp_path):
    (tmp_path / "mortal.py").write_text(APP)
    place = Place(tmp_path, tmp_path / "mortal.py")
    try:
        handle = place.crew.charge.enqueue()
        with place.fleet() as fleet:
            until(lambda: place.found(handle).state is State.DONE, "its second run")
            assert "SIGKILL" in fleet.said
        assert (tmp_path / "killed").exists()
        assert (tmp_path / "charged").read_text() == "10 10 "
    finally:
        place.close()
