"""Schedules by the clock: every option of `periodic` has its effect on each tick, whoever looks, and whenever."""

import asyncio
import logging

import msgspec
import pytest

from forebay import ConfigError, Context, EngineFull, Forebay, Registry, State
from forebay.control import Control
from forebay.engine.trouble import kind_of
from forebay.engine.waiting import drive
from forebay.model.errors import BadArguments
from forebay.store.records import Schedule
from forebay.testing import ManualClock, drain
from forebay.work.timekeeper import LOOK, Timekeeper

#: A full hour.
HOUR = 3600 * 500_000


@pytest.fixture(params=["memory", "sqlite"])
def app(request, tmp_path):
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/q.db"
    with Forebay(url, clock=ManualClock(wall=HOUR)) as app:
        yield app


def ticks(app, options, *, ahead=3600, pause=0.0, **declared):
    """When a schedule with these options made messages, in seconds since the full hour."""
    ran = []

    @app.periodic(options, **declared) if options else app.periodic(**declared)
    def tick(ctx: Context) -> None:
        ran.append(ctx.delivery)

    drain(app, *app.registry.queues)
    app.clock.advance(pause)
    drain(app, *app.registry.queues, ahead=ahead)
    return [round(one.created - HOUR, 3) for one in ran], ran


@pytest.mark.parametrize(
    ("when", "ahead", "expected"),
    [
        ("*/20 * * * *", 3600, [1200, 2400, 3600]),
        ("@hourly", 7200, [3600, 7200]),
        ("@daily", 86400, [57600]),
        ("@midnight", 86400, [57600]),
        ("*/15 0 * * * *", 90, [15, 30, 45]),
        ("*/20 * * * * *", 60, [20, 40, 60]),
        (20, 60, [20, 40, 60]),
        (2.5, 10, [2.5, 5, 7.5, 10]),
        ("every 20s", 60, [20, 40, 60]),
    ],
)
def test_when_it_ticks(app, when, ahead, expected):
    assert ticks(app, when, ahead=ahead)[0] == expected


@pytest.mark.parametrize(("name", "days"), [("@weekly", 8), ("@monthly", 32), ("@yearly", 367), ("@annually", 367)])
def test_names_for_longer_times(app, name, days):
    assert len(ticks(app, name, ahead=days * 86400)[0]) == 1


@pytest.mark.parametrize("every", ["40s", 40, msgspec.convert("PT40S", __import__("datetime").timedelta)])
def test_an_interval_is_a_duration(app, every):
    assert ticks(app, None, every=every, ahead=120)[0] == [40, 80, 120]
    assert app.registry.schedules["tick"].cron == "every 40s"


def test_the_ticks_of_an_interval_are_its_multiples_whoever_starts_when(app):
    app.clock.advance(7)
    assert ticks(app, 60, ahead=120)[0] == [60, 120]


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"priority": 9}, "priority", 9),
        ({"key": "tenant-7"}, "key", "tenant-7"),
        ({"queue": "chores"}, "queue", "chores"),
        ({"headers": {"a": "b"}}, "headers", {"a": "b", "forebay-schedule": "tick"}),
        ({"name": "other"}, "task", "other"),
    ],
)
def test_each_tick_waits_as_the_options_say(app, options, field, value):
    (delivery,) = ticks(app, "@hourly", **options)[1]
    assert getattr(delivery, field) == value


def test_each_tick_expires_as_the_options_say(app):
    (delivery,) = ticks(app, "@hourly", expires="5m")[1]
    assert delivery.expires - delivery.created == 300


def test_a_schedule_above_a_task_has_ways_to_wait_of_its_own(app):
    seen = []

    @app.periodic("0 * * * *", name="often", priority=3, key="k", queue="chores", expires=60)
    @app.periodic("@daily")
    @app.task(queue="reports", priority=1, name="report")
    def report(ctx: Context) -> None:
        seen.append((ctx.headers["forebay-schedule"], ctx.queue, ctx.delivery.priority, ctx.key))

    drain(app, "reports", "chores", ahead=16 * 3600)
    assert set(seen) == {("often", "chores", 3, "k"), ("report", "reports", 1, None)}
    assert len(seen) == 17


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"nonsense": 1}, "unknown option nonsense"),
        ({"timeout": 5}, "unknown option timeout: .*; timeout is said in @app.task"),
        ({"retry": 5}, "unknown option retry"),
        ({"delay": 5}, "unknown option delay"),
        ({"name": "a b"}, "schedule name 'a b' is not allowed"),
        ({"priority": "9"}, "periodic on task tidy: priority is an int, not '9'"),
        ({"queue": "a b"}, "queue name 'a b' is not allowed"),
        ({"headers": {"forebay-schedule": "x"}}, "names that begin with 'forebay-' are taken"),
    ],
)
def test_an_option_that_could_have_no_effect_above_a_task_is_refused(app, options, says):
    with pytest.raises(ConfigError, match=says):

        @app.periodic("@daily", **options)
        @app.task
        def tidy() -> None: ...

    assert app.registry.schedules == {}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "one of the two, not None and None"),
        ({"cron": "@daily", "every": 5}, "one of the two, not '@daily' and 5"),
        ({"cron": 5, "every": 5}, "one of the two, not 5 and 5"),
        ({"cron": True}, "every must be seconds"),
        ({"cron": [5]}, "every must be seconds"),
        ({"every": 0}, "every=0 is not usable: ticks are 1 s apart at least, and 100 years at most"),
        ({"every": 1e-9}, "ticks are 1 s apart at least"),
        ({"every": 1e10}, "100 years at most"),
        ({"every": float("inf")}, "every must be a finite number"),
        ({"every": -5}, "0 or more"),
        ({"every": "soon"}, "is not a duration"),
        ({"cron": "every 0s"}, "is not usable"),
        ({"cron": "@reboot"}, "cron expression '@reboot' is not usable"),
        ({"every": 5, "tz": "Europe/Vienna"}, "tz= has no effect on an interval"),
        ({"cron": "@daily", "tz": 5}, "tz=5 is no time zone"),
        ({"cron": "@daily", "overlap": "never"}, "overlap='never' is not known: use one of allow, skip, queue"),
        ({"cron": "@daily", "overlap": "skip", "unique": "u"}, "overlap= has no effect beside it"),
        ({"cron": "@daily", "overlap": "skip", "missed": "all"}, "missed='all' has no effect beside overlap='skip'"),
        ({"cron": "@daily", "missed": True}, "missed=True is not known"),
        ({"cron": "@daily", "timezone": "UTC"}, "unknown option timezone"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_declared(app, options, says):
    with pytest.raises(ConfigError, match=f"periodic task tidy: .*{says}"):

        @app.periodic(**options)
        def tidy() -> None: ...

    assert app.registry.tasks == app.registry.schedules == {}


def test_what_cannot_work_names_the_task_that_it_was_said_of(app):
    @app.task
    def tidy() -> None: ...

    with pytest.raises(ConfigError, match=r"periodic on task tidy: cron expression '61 \* .*' is not usable"):
        app.periodic("61 * * * *")(tidy)
    part = Registry()

    @part.periodic("@daily", tz="Europe/Atlantis", name="sweep")
    def sweeps() -> None: ...

    with pytest.raises(ConfigError, match="schedule sweep of task sweep: time zone 'Europe/Atlantis' is not known"):
        app.include(part)


def test_a_periodic_without_a_time_says_how_one_is_said(app):
    with pytest.raises(ConfigError, match=r"say when it runs: @app.periodic\(\"\*/5"):

        @app.periodic
        def tidy() -> None: ...


def test_a_task_that_needs_arguments_leaves_nothing_behind(app):
    with pytest.raises(BadArguments):

        @app.periodic("@daily")
        def tidy(number: int) -> None: ...

    assert app.registry.tasks == {}


@pytest.mark.parametrize("pause", [70.0, 1000.0, 4_000_000.0])
@pytest.mark.parametrize(("missed", "most"), [("once", 1), ("skip", 1), ("all", 1000)])
def test_missed_ticks_are_made_up_for_at_once_after_any_time(app, pause, missed, most):
    ran, _ = ticks(app, "* * * * *", pause=pause, missed=missed, ahead=0)
    count = int(pause // 60)
    fresh = pause % 60 < 60
    assert ran == [pause] * (min(count, most) if missed != "skip" or fresh else 0)


def test_only_the_last_missed_tick_may_be_fresh_enough_to_fire(app):
    app.clock.advance(1)
    assert ticks(app, "0 * * * *", pause=5 * 3600 + 30, missed="skip", ahead=0)[0] == [5 * 3600 + 31]
    assert ticks(Forebay("memory://", clock=app.clock), "0 * * * *", pause=70, missed="skip", ahead=0)[0] == []


def test_a_resumed_schedule_goes_on_at_its_next_tick(app):
    control = Control(app.engine, app.store, "a test")
    ran = []

    @app.periodic("30 3 * * *", missed="all")
    def daily() -> None:
        ran.append(app.clock.now())

    drain(app)
    drive(control.pause_schedule("daily"))
    app.clock.advance(10 * 86400)
    drain(app)
    drive(control.resume_schedule("daily"))
    drain(app)
    assert ran == []
    drain(app, ahead=86400)
    assert len(ran) == 1
    drive(control.pause_schedule("daily"))
    drive(control.resume_schedule("daily"))
    drain(app, ahead=86400)
    assert len(ran) == 2


def test_a_schedule_can_be_run_by_hand_beside_its_ticks(app):
    control = Control(app.engine, app.store, "a test")

    @app.periodic("@daily", priority=4)
    def daily(ctx: Context) -> int:
        return ctx.delivery.priority

    drain(app)
    handle = app.handle(drive(control.run_schedule("daily")))
    drain(app)
    assert handle.result(timeout=0) == 4
    assert drive(control.run_schedule("nightly")) is None
    assert drive(app.store.schedules())[0].last is None


def test_a_schedule_can_be_added_by_hand(app):
    control = Control(app.engine, app.store, "a test")

    @app.task
    def greet(name: str) -> str:
        return f"hello {name}"

    form = msgspec.structs.replace(app.producer.messages("greet", [greet.codec.encode(("you",), {})], greet.waiting)[0])
    row = Schedule(name="by-hand", cron="@hourly", tz="UTC", message=form)
    drive(app.engine.open())
    drive(control.add_schedule(row))
    assert [end.value for end in drain(app, ahead=7200)] == ["hello you"] * 2
    for wrong in ({"cron": "often"}, {"tz": "Europe/Atlantis"}):
        with pytest.raises(ConfigError):
            drive(control.add_schedule(msgspec.structs.replace(row, **wrong)))


def test_a_changed_declaration_takes_effect_when_a_worker_starts(tmp_path):
    clock, seen = ManualClock(wall=HOUR), []

    def version(when, **options):
        app = Forebay(f"sqlite:///{tmp_path}/q.db", clock=clock)

        @app.periodic(when, **options)
        def tick(ctx: Context) -> None:
            seen.append((round(clock.now() - HOUR), ctx.delivery.priority))

        drain(app, *app.registry.queues, ahead=600)
        drive(app.close())

    version("*/5 * * * *")
    version("*/5 * * * *", priority=7)
    version("*/10 * * * *", priority=7)
    assert seen == [(300, 0), (600, 0), (900, 7), (1200, 7), (1800, 7)]


class TestOverlap:
    """What a tick does while the message of an earlier one has not ended."""

    def waiting(self, app, overlap, looks=4):
        """States of the messages that a minutely schedule has made after some looks, when nobody runs them."""

        @app.periodic("* * * * *", overlap=overlap)
        def tick() -> None: ...

        drain(app)
        self.look(app, looks)
        return self.live(app)

    def look(self, app, times=1):
        for _ in range(times):
            app.clock.advance(60)
            drive(Timekeeper(app.store).fire_due())

    def live(self, app):
        return sorted(str(one.state) for one in app.messages(task="tick"))

    def lease(self, app):
        from forebay.engine.contract import Beat, Want

        drive(app.engine.extend([Beat(worker="w", lease=1e6)]))
        return drive(app.engine.lease(Want("w", ["default"], 1))).deliveries

    def settle(self, app, delivery, outcome):
        from forebay.model.outcome import Settlement

        drive(app.engine.settle("w", [Settlement(delivery, outcome)]))

    @pytest.mark.parametrize(("overlap", "count"), [("allow", 4), ("skip", 1), ("queue", 1)])
    def test_while_one_waits(self, app, overlap, count):
        assert self.waiting(app, overlap) == ["ready"] * count

    @pytest.mark.parametrize("overlap", ["skip", "queue"])
    def test_while_one_waits_that_is_too_late_to_start(self, app, overlap):
        @app.periodic("* * * * *", overlap=overlap, expires=90)
        def tick() -> None: ...

        drain(app)
        self.look(app, 2)
        assert self.live(app) == ["ready"]
        self.look(app)  # though nobody has ended the first one yet
        assert self.live(app) == ["ready"] * 2

    @pytest.mark.parametrize(("overlap", "beside"), [("allow", 2), ("skip", 0), ("queue", 1)])
    def test_while_one_runs(self, app, overlap, beside):
        self.waiting(app, overlap, looks=1)
        self.lease(app)
        self.look(app, 2)
        assert self.live(app) == ["ready"] * beside + ["running"]

    @pytest.mark.parametrize("overlap", ["skip", "queue"])
    def test_while_one_waits_to_be_tried_again(self, app, overlap):
        from forebay.model.message import Failure
        from forebay.model.outcome import Retry

        self.waiting(app, overlap, looks=1)
        self.settle(app, *self.lease(app), Retry(1e5, Failure("E", "e")))
        self.look(app, 2)
        assert self.live(app) == ["scheduled"]

    @pytest.mark.parametrize("overlap", ["skip", "queue"])
    def test_once_it_has_ended_the_next_tick_fires(self, app, overlap):
        from forebay.model.outcome import Ack

        self.waiting(app, overlap, looks=3)
        self.settle(app, *self.lease(app), Ack())
        assert self.live(app) == []
        self.look(app)
        assert self.live(app) == ["ready"]

    def test_a_retry_of_an_earlier_one_counts_while_a_later_one_runs(self, app):
        from forebay.model.message import Failure
        from forebay.model.outcome import Retry

        self.waiting(app, "queue", looks=1)
        (first,) = self.lease(app)
        self.look(app)
        (_second,) = self.lease(app)
        self.settle(app, first, Retry(1e5, Failure("E", "e")))
        self.look(app, 2)
        assert self.live(app) == ["running", "scheduled"]

    def test_messages_that_were_enqueued_by_hand_do_not_count(self, app):
        assert self.waiting(app, "skip", looks=0) == []
        app.registry.tasks["tick"].enqueue()
        self.look(app)
        assert self.live(app) == ["ready", "ready"]


def rows(app, **fields):
    """A schedule as another version, or another hand, has left it in the store."""
    form = msgspec.structs.replace(app.producer.messages("gone", [b"\x80"], app.registry.tasks["good"].waiting)[0])
    row = Schedule(name="odd", cron="* * * * *", tz="UTC", message=form, next=HOUR + 60)
    drive(app.store.put_schedules([msgspec.structs.replace(row, **fields)]))


@pytest.mark.parametrize(
    "odd",
    [
        {"cron": "at noon"},
        {"tz": "Europe/Atlantis"},
        {"next": -1e300},
        {"next": 1.0, "cron": "0 0 30 2 *"},
        {"flaw": "odd"},
        {"cron": "every banana"},
    ],
    ids=str,
)
def test_one_that_cannot_be_read_is_told_once_by_name_and_stops_no_other(app, odd, caplog):
    ran = []

    @app.periodic("* * * * *")
    def good() -> None:
        ran.append(1)

    drain(app)
    rows(app, **odd)
    with caplog.at_level(logging.INFO, "forebay.keeper"):
        keeper = Timekeeper(app.store)
        if "flaw" in odd:
            keeper._store = _Flawed(app.store)
        for _ in range(3):
            app.clock.advance(60)
            assert drive(keeper.fire_due()) <= LOOK
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(told) == (0 if odd.get("next") == -1e300 else 1)
    assert all("schedule odd cannot be fired" in line for line in told)
    drain(app)
    assert len(ran) == 3


class _Flawed:
    """A store in which a row cannot be read."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def schedules(self):
        return [
            msgspec.structs.replace(one, flaw="its message is not readable") if one.name == "odd" else one
            for one in await self._store.schedules()
        ]


def test_a_schedule_whose_task_nobody_knows_makes_one_message_and_no_more(app, caplog):
    from forebay.engine.contract import Beat, Want
    from forebay.model.outcome import UNKNOWN_TASK, DeadLetter, Release, Settlement

    @app.task
    def good() -> None: ...

    drive(app.engine.open())
    rows(app)
    keeper = Timekeeper(app.store)

    def look(times):
        for _ in range(times):
            app.clock.advance(60)
            drive(keeper.fire_due())
        return [one for state in (None, State.DEAD) for one in app.messages(task="gone", state=state)]

    def settle(outcome):
        drive(app.engine.extend([Beat(worker="w", lease=1e6)]))
        (delivery,) = drive(app.engine.lease(Want("w", ["default"], 1))).deliveries
        drive(app.engine.settle("w", [Settlement(delivery, outcome)]))

    assert len(look(1)) == 1
    settle(Release(delay=30, reason=f"{UNKNOWN_TASK} 'gone': no worker here knows it", unknown=True))
    with caplog.at_level(logging.WARNING, "forebay.keeper"):
        assert len(look(5)) == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "schedule odd makes no more messages: no worker knows its task 'gone'; start one that does, "
        "or `forebay schedules remove odd`"
    )
    settle(DeadLetter(f"{UNKNOWN_TASK} 'gone'"))
    assert len(look(5)) == 1
    rows(app)  # a worker that knows it has started
    assert len(look(1)) == 2


def test_two_timekeepers_fire_each_tick_once(tmp_path):
    clock = ManualClock(wall=HOUR)
    apps = [Forebay(f"sqlite:///{tmp_path}/q.db", clock=clock) for _ in range(2)]

    @apps[0].periodic(every=1)
    def tick() -> None: ...

    drain(apps[0])
    keepers = [Timekeeper(app.store) for app in apps]
    drive(apps[1].engine.open())

    async def both():
        await asyncio.gather(*(keeper.fire_due() for keeper in keepers))

    for _ in range(20):
        clock.advance(1)
        asyncio.run(both())
    assert len(apps[0].messages(task="tick", limit=100)) == 20
    for app in apps:
        drive(app.close())


def fill(app, body):
    while True:
        app.publish("junk", body)


def test_a_schedule_for_which_there_is_no_room_is_told_once(caplog, tmp_path):
    caplog.set_level(logging.INFO, "forebay.keeper")
    with Forebay(f"sqlite:///{tmp_path}/q.db", clock=ManualClock(wall=HOUR), max_size=1_000_000) as app:

        @app.periodic(20)
        def tick() -> None: ...

        drain(app, "default")  # the schedule is known
        app.clock.advance(20)
        for size in (50_000, 1_000, 0):
            with pytest.raises(EngineFull):
                fill(app, "x" * size)
        keeper = Timekeeper(app.store)
        for _ in range(3):
            drive(keeper.fire_due())
        assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["schedule tick cannot be fired"]


def test_another_number_is_no_other_trouble():
    assert kind_of("626,688 bytes free, tried for 1.5 s") == kind_of("0 bytes free, tried for 10 s")
    assert kind_of("0 bytes free") != kind_of("no rights")
