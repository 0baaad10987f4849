"""Lesson 11: providers: what an outage of an outside service does to the tasks that depend on it, and what not."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from forebay import BadArguments, Breaker, ConfigError, Context, Forebay, ProviderDown, Retry, State
from forebay.control import Control
from forebay.flow.breaker import USED_UP
from forebay.flow.grant import spent
from forebay.model.verdict import Kind
from forebay.observe.providers import shown
from forebay.observe.why import why_message
from forebay.provider.operate import Act
from forebay.provider.steer import listed
from forebay.store.records import Query
from forebay.testing import ManualClock
from fundamentals.lesson import SOON, beside_a_worker, until, work

NOON = 1_790_000_000 // 86_400 * 86_400 + 43_200.0
QUICK = Breaker(min_calls=3, open_for=0.2, max_open=0.2)


class TooMany(Exception):
    """The answer 429, in the shape that clients give it."""

    status_code = 429

    def __init__(self, retry_after: float) -> None:
        self.headers = {"retry-after": f"{retry_after:.0f}"}


async def stand(app):
    """How the app's only provider stands."""
    (one,) = await listed(app.store)
    return one


def test_while_a_provider_is_down_what_waits_for_it_uses_up_no_attempt(app):
    app.provider("smtp", breaker=QUICK, ramp=0)
    calls, down = [], True

    @app.task(provider="smtp", retry=1)
    async def send(to: str) -> str:
        calls.append(to)
        if down:
            raise ConnectionRefusedError("nobody listens there")
        return f"sent to {to}"

    handles = [send.enqueue(f"{number}@example.com") for number in range(6)]

    async def story():
        nonlocal down
        await until(lambda: len(calls) >= 6)
        down = False
        return [await handle.aresult(timeout=SOON) for handle in handles]

    assert beside_a_worker(app, story)[0] == "sent to 0@example.com"
    assert [handle.find().attempt for handle in handles] == [1] * 6


def test_one_that_waits_says_for_whom_and_why(app):
    app.provider("smtp", breaker=Breaker(min_calls=1, open_for=60))

    @app.task(provider="smtp")
    async def send() -> None:
        raise ConnectionRefusedError("nobody listens there")

    handle = send.enqueue()

    async def story():
        await until(lambda: handle.status() == State.PARKED or "is down" in handle.find().cause)
        return handle.find()

    found = beside_a_worker(app, story)
    assert found.attempt == 0
    assert found.cause == "provider smtp is down: ConnectionRefusedError: nobody listens there"


def test_other_tasks_go_on(app):
    app.provider("smtp", breaker=Breaker(min_calls=1, open_for=60))

    @app.task(provider="smtp")
    async def send() -> None:
        raise TimeoutError

    @app.task
    async def add(a: int, b: int) -> int:
        return a + b

    waits, sums = send.enqueue(), [add.enqueue(1, number) for number in range(5)]
    work(app, *sums)
    assert [one.result() for one in sums] == [1, 2, 3, 4, 5]
    assert waits.find().finished is None


def test_a_request_that_it_refuses_or_a_fault_of_ones_own_fails_as_ever(app):
    app.provider("api", classify=lambda error: Kind.REJECTED if isinstance(error, LookupError) else None)

    @app.task(provider="api", retry=Retry(max_attempts=2, base=0.01))
    async def ask(wrong: bool) -> None:
        raise LookupError("no such user") if wrong else ZeroDivisionError("oh")

    rejected, bug = ask.enqueue(True), ask.enqueue(False)
    work(app, rejected, bug)
    assert rejected.find().cause == "failed 2 of 2 attempts: LookupError: no such user"
    assert bug.find().cause == "failed 2 of 2 attempts: ZeroDivisionError: oh"


def test_a_task_may_say_until_when_it_is_not_to_be_asked(app):
    app.provider("llm")

    @app.task(provider="llm")
    async def ask() -> None:
        raise ProviderDown("llm", until=datetime.now(UTC) + timedelta(hours=2))

    handle = ask.enqueue()

    async def story():
        while (one := await stand(app)).until is None:  # noqa: ASYNC110 - a lesson's condition is any expression
            await asyncio.sleep(0.01)
        return one

    one = beside_a_worker(app, story)
    assert 7_100 < one.until - time.time() < 7_201
    assert (one.stand, handle.find().attempt, handle.find().state) == ("open", 0, State.PARKED)


def test_a_provider_bounds_how_many_ask_it_at_a_time_whichever_task_it_is(app):
    app.provider("api", concurrency=2)
    running, most = 0, 0

    async def call() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    @app.task(provider="api")
    async def ask() -> None:
        await call()

    @app.task(provider="api", queue="other")
    async def tell() -> None:
        await call()

    work(app, *[task.enqueue() for task in (ask, tell) for _ in range(4)])
    assert most == 2


@pytest.mark.parametrize(
    ("ways", "says"),
    [
        ({"breaker": 5}, "breaker is a Breaker"),
        ({"concurrency": 0}, "concurrency is how many may run at a time"),
        ({"rate": "many"}, "is not a rate"),
        ({"burst": 5}, "give it rate="),
        ({"classify": 1}, "classify is a function"),
        ({"ramp": -1}, "ramp must be a finite number of seconds"),
        ({"max_outage": "soon"}, "max_outage 'soon' is not a duration"),
        ({"colour": 1}, "unknown option colour"),
    ],
)
def test_options_that_mean_nothing_are_refused_at_once(app, ways, says):
    with pytest.raises(ConfigError, match=says):
        app.provider("smtp", **ways)


def test_a_task_of_a_provider_that_nobody_has_declared_cannot_be_opened(app):
    @app.task(provider="smpt")
    async def send() -> None: ...

    app.provider("smtp")
    with pytest.raises(ConfigError, match=r"task send: provider 'smpt' is not declared.*known are smtp"):
        send.enqueue()


def test_what_waits_longer_than_an_outage_may_last_is_a_dead_letter_that_says_so(app):
    app.provider("smtp", breaker=Breaker(min_calls=2, open_for=30), max_outage=0.5)

    @app.task(provider="smtp", retry=1)
    async def send(number: int) -> None:
        raise ConnectionRefusedError("nobody listens there")

    handles = [send.enqueue(number) for number in range(30)]
    work(app, *handles, concurrency=2)
    found = handles[-1].find()
    assert (found.state, found.attempt) == (State.DEAD, 1)
    assert "provider smtp has been down for" in found.cause
    assert "longer than its max_outage of 500ms" in found.cause


def test_an_operator_opens_closes_and_probes_and_that_is_written_down(app):
    app.provider("smtp")

    @app.task(provider="smtp")
    async def send() -> None: ...

    control = Control(app.engine, app.store, "ann@host")

    async def story():
        await control.provider("smtp", Act.OPEN, "maintenance")
        handle = await send.aenqueue()
        await asyncio.sleep(0.7)  # longer than a worker takes to start it
        waits = handle.find()
        reasons = await why_message(app.engine, app.store, waits, lease=15, app="app")
        await control.provider("smtp", Act.PROBE)
        await handle.aresult(timeout=SOON)
        return waits, reasons[0], [(line.verb, line.target) for line in await app.store.audits()]

    waits, reason, audits = beside_a_worker(app, story)
    assert (waits.state, waits.attempt) == (State.PARKED, 0)
    assert reason.code == "provider"
    assert reason.text.startswith("waits, because provider smtp was opened by ann@host")
    assert audits[:2] == [("probe provider", "smtp"), ("open provider", "smtp")]


def test_a_key_that_is_to_wait_waits_alone(app):
    app.provider("llm")
    asked = []

    class TooMany(Exception):
        status_code = 429
        headers = {"retry-after": "3600"}  # noqa: RUF012 - as a client has it

    @app.task(provider="llm", provider_key="account")
    async def ask(prompt: str, account: str = "main") -> str:
        asked.append(account)
        if account == "used up":
            raise TooMany
        return prompt

    used_up = ask.enqueue_many([(f"{number}", "used up") for number in range(5)])

    async def story():
        await until(lambda: "used up" in asked)
        await until(lambda: used_up[-1].find().state == State.PARKED)
        others = [ask.enqueue("hello"), ask.enqueue("hello", account="second")]
        return [await one.aresult(timeout=SOON) for one in others]

    assert beside_a_worker(app, story, concurrency=1) == ["hello", "hello"]
    assert asked == ["used up", "main", "second"]
    assert {one.find().attempt for one in used_up} == {0}


def test_each_key_of_a_provider_has_a_budget_of_its_own(tmp_path):
    clock = ManualClock(wall=NOON)
    with Forebay(f"sqlite:///{tmp_path}/forebay.db", clock=clock) as app:
        app.provider("llm", key_budget="100/day", key_concurrency=1)

        @app.task(provider="llm", provider_key="account", cost=10)
        async def ask(account: str, ctx: Context) -> str:
            ctx.spent(120)
            return account

        first = ask.enqueue("eu")

        async def story():
            await first.aresult(timeout=SOON)
            while spent((await app.store.meters(["provider:llm~eu/86400"]))[0], NOON) < 119:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            late, other = await ask.aenqueue("eu"), await ask.aenqueue("us")
            await other.aresult(timeout=SOON)
            waits = late.find()
            return late, waits, (await why_message(app.engine, app.store, waits, lease=15, app="app"))[0].text

        late, waits, told = beside_a_worker(app, story)
        clock.advance(12 * 3600)
        work(app, late)
    assert (waits.state, waits.attempt) == (State.READY, 0)
    assert told == (
        "waits at the limit of key eu of provider llm: its budget of 100/day is used up; the next one begins in 12h"
    )


def test_limits_of_each_key_that_are_taken_back_hold_no_more(tmp_path):
    def made(**ways):
        app = Forebay(f"sqlite:///{tmp_path}/forebay.db")
        app.provider("llm", **ways)

        @app.task(name="ask", provider="llm", provider_key="account")
        async def ask(account: str) -> str:
            return account

        return app, ask

    app, ask = made(key_budget="1/day")
    with app:
        handles = [ask.enqueue(account) for account in ("eu", "eu", "us")]
        beside_a_worker(app, lambda: asyncio.gather(handles[0].aresult(timeout=SOON), handles[2].aresult(timeout=SOON)))
        assert handles[1].status() == State.READY
    app, ask = made()
    with app:
        work(app, ask.handle(handles[1].id))


@pytest.mark.parametrize(
    ("ways", "says"),
    [
        ({"key_budget": "much"}, "key_budget 'much' is no budget: write how much may be spent"),
        ({"key_burst": 5}, "key_burst goes with a rate of each key"),
        ({"key_concurrency": 0}, "key_concurrency"),
    ],
)
def test_a_limit_of_each_key_that_is_none_is_refused(app, ways, says):
    with pytest.raises(ConfigError, match=says):
        app.provider("llm", **ways)


def test_a_call_costs_what_its_arguments_say(app):
    app.provider("llm", rate="20/s", burst=100)
    began = []

    @app.task(provider="llm", cost=lambda prompt, **_: len(prompt))
    async def ask(prompt: str, loud: bool = False) -> None:
        began.append(time.monotonic())

    work(app, *ask.enqueue_many([("x" * 60,), ("y" * 60,), ("z" * 60, {"loud": True})]))
    assert began[1] - began[0] < 0.9  # 100 may come at once, and who comes waits only for what came before it
    assert began[2] - began[0] >= 0.9  # 120 of the first two, less 100, at 20 a second


def test_a_budget_that_is_used_up_is_waited_for_and_that_is_told(tmp_path):
    clock = ManualClock(wall=NOON)
    with Forebay(f"sqlite:///{tmp_path}/forebay.db", clock=clock) as app:
        app.provider("llm", budget=["1_000/day", "4 calls/min"])

        @app.task(provider="llm", cost=lambda prompt, **_: len(prompt))
        async def ask(prompt: str) -> str:
            return prompt[0]

        handles = [ask.enqueue("x" * 300) for _ in range(5)]

        async def story():
            while (one := (await shown(app.engine, app.store))[0]).state != "used up":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            waits = handles[-1].find()
            return one, waits, (await why_message(app.engine, app.store, waits, lease=15, app="app"))[0].text

        one, waits, told = beside_a_worker(app, story)
        clock.advance(12 * 3600 - 1)
        beside_a_worker(app, partial(asyncio.sleep, 0.3))
        assert handles[-1].status() == State.READY
        clock.advance(1)
        work(app, handles[-1])
    assert (waits.state, waits.attempt) == (State.READY, 0)
    assert told == "waits, because provider llm has used up its budget of 1,000/day; the next one begins in 12h"
    assert (one.state, one.until, one.slots) == ("used up", NOON + 12 * 3600, None)
    assert [(budget.budget, round(budget.spent)) for budget in one.budgets] == [("4 calls/min", 4), ("1,000/day", 1200)]


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ("much", "budget 'much' is no budget: write how much may be spent"),
        ("10/week", "is no budget"),
        (100, "is no budget"),
        ([], "is no budget"),
        ("0/day", "is from 1 to"),
        (["5/min", "6/min"], "budget says 5/min and 6/min"),
    ],
)
def test_a_budget_that_is_none_is_refused(app, budget, says):
    with pytest.raises(ConfigError, match=says):
        app.provider("llm", budget=budget)


async def crowded(app, most):
    """How its only provider stands, once no more than `most` may ask it, and what is said to one that waits."""
    async with asyncio.timeout(SOON):
        while True:
            (one,) = await shown(app.engine, app.store)
            for waits in await app.store.messages(Query(state=State.READY, limit=1)):
                text = (await why_message(app.engine, app.store, waits, lease=15, app="app"))[0].text
                if one.slots <= most and "at a time" in text:
                    return one, text
            await asyncio.sleep(0.02)


def test_how_many_ask_at_a_time_follows_what_it_can_take(app):
    app.provider("llm", concurrency=20, adaptive=True)
    running, refused, most = 0, 0, 4

    class Throttled(Exception):
        status_code = 429

    @app.task(provider="llm")
    async def ask() -> None:
        nonlocal running, refused
        if running >= most:
            refused += 1
            raise Throttled
        running += 1
        await asyncio.sleep(0.15)
        running -= 1

    handles = ask.enqueue_many([()] * 200)

    async def story():
        nonlocal most
        one, told = await crowded(app, most)
        most = 100
        for handle in handles:
            await handle.aresult(timeout=SOON)
        return one, told

    one, told = beside_a_worker(app, story, concurrency=20)
    assert one.why.startswith(f"provider llm takes {one.slots} of 20 at a time: of ")
    assert "told to slow down" in one.why
    assert " slots taken; provider llm takes " in told
    assert {handle.find().attempt for handle in handles} == {1}
    assert refused < 200


@pytest.mark.parametrize(
    ("ways", "says"),
    [
        ({"adaptive": True}, "and there is none: give it concurrency="),
        ({"adaptive": True, "concurrency": 1}, "one at a time is the least anyway: give it concurrency="),
        ({"adaptive": "yes", "concurrency": 5}, "adaptive is True or False, not 'yes'"),
        ({"adaptive": 1, "concurrency": 5}, "adaptive is True or False, not 1"),
    ],
)
def test_an_adaptive_limit_without_a_most_is_refused(app, ways, says):
    with pytest.raises(ConfigError, match=says):
        app.provider("llm", **ways)


@pytest.mark.parametrize(
    ("ways", "says"),
    [
        ({"provider_key": "account"}, "give it provider="),
        ({"provider": "llm", "provider_key": "nope"}, "is one of its parameters"),
        ({"provider": "llm", "provider_key": ["account"]}, "is one of its parameters"),
        ({"provider": "llm", "provider_key": "account", "cpu": True}, "no effect beside cpu=True"),
        ({"cost": -1}, "cost is a number from 0"),
        ({"cost": "much"}, "cost is a number from 0"),
        ({"provider": 5}, "provider name '5' is not allowed"),
    ],
)
def test_so_are_options_of_a_task_that_mean_nothing(app, ways, says):
    app.provider("llm")

    def ask(account: str) -> None: ...

    with pytest.raises(ConfigError, match=says):
        app.task(**ways)(ask)


def test_a_cost_that_is_no_number_is_refused_before_anything_is_written(app):
    app.provider("llm")

    @app.task(provider="llm", cost=lambda text: text, provider_key="text")
    async def ask(text: str) -> None: ...

    with pytest.raises(BadArguments, match="it is a number from 0"):
        ask.enqueue("x")
    assert app.messages() == []


@pytest.mark.parametrize(
    "cost",
    [
        lambda: 1,
        lambda other: other,
        lambda prompt, more: prompt + more,
        lambda prompt, *, more: prompt + more,
        lambda *all: len(all),
        len,
    ],
    ids=["none", "another", "one more", "one more by name", "places alone", "a builtin"],
)
def test_a_cost_that_no_call_can_be_asked_for_is_refused_where_the_task_is_made(app, cost):
    app.provider("llm")

    def ask(prompt: str) -> None: ...

    with pytest.raises(ConfigError, match=r"task ask: cost= is called with the arguments of a call by name \(prompt\)"):
        app.task(provider="llm", cost=cost)(ask)


def test_a_cost_is_handed_the_arguments_in_the_form_in_which_its_task_takes_them(app):
    app.provider("llm", rate=1000)
    asked = []

    @app.task(provider="llm", cost=lambda first, /, second, *, third, **more: first + second + third + more["fourth"])
    def named(first: int, /, second: int = 2, *, third: int = 3, **more: int) -> None: ...

    @app.task(provider="llm", cost=lambda first, *rest, third: asked.append((first, rest, third)) or 1)
    def placed(context: Context, first: int, *rest: int, third: int = 3) -> None: ...

    named.enqueue(1, fourth=4)
    placed.enqueue(1, 8, 9)
    assert asked == [(1, (8, 9), 3)]


@pytest.mark.parametrize(
    ("cost", "says"),
    [(lambda **_: 1 / 0, "cost= failed for this call: ZeroDivisionError"), (lambda **_: 10**400, "from 0 to")],
)
def test_what_goes_wrong_with_a_cost_is_an_error_of_the_call_and_nothing_is_written(app, cost, says):
    app.provider("llm")

    @app.task(provider="llm", cost=cost)
    async def ask(text: str) -> None: ...

    for call in (lambda: ask.enqueue("x"), lambda: ask.enqueue_many([("x",), ("y",)])):
        with pytest.raises(BadArguments, match=says):
            call()
    assert app.messages() == []


@pytest.mark.parametrize("until", [10**400, -(10**400), float("inf"), float("nan"), True, "soon"])
def test_a_time_that_is_none_is_refused_where_a_task_says_that_its_provider_is_down(until):
    with pytest.raises(ConfigError, match="until must be seconds since the epoch or an aware datetime"):
        ProviderDown("llm", until=until)


def test_when_it_is_gone_for_long_its_fallback_runs_what_waits_for_it(app):
    app.provider("llm", fallback="ask_other", fallback_after=60)
    asked = []

    @app.task(provider="llm")
    async def ask(prompt: str) -> str:
        asked.append(prompt)
        raise ProviderDown("llm", retry_after="2h")

    @app.task
    async def ask_other(prompt: str) -> str:
        return f"another model: {prompt}"

    handles = [ask.enqueue(f"{number}") for number in range(4)]
    work(app, *handles, concurrency=1)
    assert asked == ["0"]
    assert sorted(handle.result() for handle in handles) == [f"another model: {number}" for number in range(4)]
    assert {handle.find().attempt for handle in handles} == {1}


@pytest.mark.parametrize(
    ("breaker", "after"),
    [(Breaker(min_calls=1, open_for=0.2, max_open=60), 0.5), (Breaker(min_calls=1, open_for=0.2, max_open=0.2), 1)],
    ids=["the pauses become long", "the pauses stay short"],
)
def test_what_was_the_probe_of_one_that_stays_down_goes_to_the_fallback_too(app, breaker, after):
    """As the last that waits it would be each next probe as well."""
    app.provider("llm", breaker=breaker, fallback="ask_other", fallback_after=after)

    @app.task(provider="llm")
    async def ask() -> str:
        raise ConnectionError("refused")

    @app.task
    async def ask_other() -> str:
        return "another model"

    handle = ask.enqueue()
    work(app, handle)
    assert (handle.result(), handle.find().attempt) == ("another model", 1)


def test_or_the_same_task_asks_another_provider(app):
    app.provider("big", fallback="small", fallback_after=60)
    app.provider("small", budget="1_000/day")
    asked = []

    @app.task(provider="big", cost=lambda prompt, **_: len(prompt))
    async def ask(prompt: str, ctx: Context) -> str:
        asked.append(ctx.provider)
        if ctx.provider == "big":
            raise ProviderDown("big", until=datetime.now(UTC) + timedelta(hours=5))
        return f"{ctx.provider}: {prompt}"

    handles = [ask.enqueue("hello") for _ in range(4)]

    async def story():
        results = [await handle.aresult(timeout=SOON) for handle in handles]
        while (one := (await shown(app.engine, app.store))[1]).calls < 4 or one.budgets[0].spent < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return results, one

    results, small = beside_a_worker(app, story, concurrency=1)
    assert results == ["small: hello"] * 4
    assert asked == ["big", *["small"] * 4]
    assert {handle.find().attempt for handle in handles} == {1}
    assert (small.calls, round(small.budgets[0].spent)) == (4, 20)


def test_a_chain_of_fallbacks_goes_on_and_never_round_in_a_circle(app):
    app.provider("a", fallback="b", fallback_after=60)
    app.provider("b", fallback="c", fallback_after=60)
    app.provider("c", fallback="a", fallback_after=60)
    gone, asked = {"a", "b", "c"}, []

    @app.task(provider="a")
    async def ask(ctx: Context) -> str:
        asked.append(ctx.provider)
        if ctx.provider in gone:
            raise ProviderDown(ctx.provider, retry_after="2h")
        return ctx.provider

    handle = ask.enqueue()
    control = Control(app.engine, app.store, "ann@host")

    async def story():
        await until(lambda: asked == ["a", "b", "c"])
        await asyncio.sleep(1)
        waits = (list(asked), handle.find())
        gone.clear()
        await control.provider("a", Act.CLOSE)
        return *waits, await handle.aresult(timeout=SOON)

    before, waits, result = beside_a_worker(app, story)
    assert (before, waits.attempt) == (["a", "b", "c"], 0)
    assert result == "a"  # that one again, once it is asked as usual
    assert handle.find().attempt == 1


def test_a_budget_that_is_used_up_for_long_has_a_fallback_too(tmp_path):
    clock = ManualClock(wall=NOON)
    with Forebay(f"sqlite:///{tmp_path}/forebay.db", clock=clock) as app:
        app.provider("big", budget="2 calls/day", fallback="small")
        app.provider("small")

        @app.task(provider="big")
        async def ask(ctx: Context) -> str:
            return str(ctx.provider)

        handles = [ask.enqueue() for _ in range(6)]

        async def story():
            while (await shown(app.engine, app.store))[0].state != "used up":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            clock.advance(3)  # so long all workers know, and what was leased before is over
            return [await handle.aresult(timeout=SOON) for handle in handles]

        assert sorted(beside_a_worker(app, story)) == ["big"] * 2 + ["small"] * 4
        assert {handle.find().attempt for handle in handles} == {1}


def test_a_key_that_is_used_up_for_long_goes_to_the_fallback_and_the_others_do_not(tmp_path):
    clock = ManualClock(wall=NOON)
    with Forebay(f"sqlite:///{tmp_path}/forebay.db", clock=clock) as app:
        app.provider("big", budget="1_000/day", key_budget="2 calls/day", fallback="small")
        app.provider("small", budget="100 calls/day")

        @app.task(provider="big", provider_key="account", cost=10)
        async def ask(account: str, ctx: Context) -> str:
            return f"{account} {ctx.provider}"

        handles = [ask.enqueue(account) for account in ["eu"] * 6 + ["us"] * 2]

        async def row(name):
            return next(one for one in await shown(app.engine, app.store) if one.name == name)

        async def story():
            await until_looked(lambda: row("big"), lambda one: any(USED_UP in key.why for key in one.keys))
            clock.advance(3)  # so long all workers know, and what was leased before is over
            answers = [await handle.aresult(timeout=20) for handle in handles]
            big = await until_looked(lambda: row("big"), lambda one: one.budgets[0].spent == pytest.approx(40))
            small = await until_looked(lambda: row("small"), lambda one: one.budgets[0].spent == pytest.approx(4))
            return answers, big, small

        answers, big, small = beside_a_worker(app, story)
        assert sorted(answers) == ["eu big"] * 2 + ["eu small"] * 4 + ["us big"] * 2
        assert (big.state, small.state) == ("closed", "closed")
        assert {handle.find().attempt for handle in handles} == {1}


async def row(app, name):
    """How one of several providers stands."""
    return next(one for one in await shown(app.engine, app.store) if one.name == name)


def test_a_key_that_is_told_to_wait_for_long_goes_to_the_fallback_and_the_others_do_not(app):
    """Whether an account is used up by our count or by the provider's own is all the same to what waits for it."""
    app.provider("big", budget="1_000/day", key_budget="1_000/day", fallback="small", fallback_after=1)
    app.provider("small")
    asked = []

    @app.task(provider="big", provider_key="account", cost=10)
    async def ask(account: str, ctx: Context) -> str:
        asked.append((account, ctx.provider))
        if (account, ctx.provider) == ("eu", "big") and asked.count(("eu", "big")) == 1:
            raise TooMany(retry_after=8)
        return f"{account} {ctx.provider}"

    handles = [ask.enqueue(account) for account in ["eu"] * 4 + ["us"] * 2]

    async def story():
        answers = [await handle.aresult(timeout=SOON) for handle in handles]
        await until_looked(lambda: row(app, "big"), lambda one: one.budgets[0].spent == pytest.approx(30))
        await until_looked(  # the one call that was refused
            lambda: app.store.meters(["provider:big~eu/86400"]),
            lambda found: spent(found[0], app.clock.now()) == pytest.approx(10, abs=0.1),
        )
        big, _ = await until_looked(lambda: listed(app.store), lambda found: not found[0].keys)
        return answers, big, await ask.enqueue("eu").aresult(timeout=SOON)

    answers, big, last = beside_a_worker(app, story, concurrency=1)
    assert sorted(answers) == ["eu small"] * 4 + ["us big"] * 2
    assert asked.count(("eu", "big")) == 2
    assert last == "eu big"
    assert (big.stand, big.throttled, big.failures) == ("closed", 0, 0)
    assert {handle.find().attempt for handle in handles} == {1}


def test_while_the_fallback_of_a_key_is_away_itself_what_waits_is_left_alone(app):
    app.provider("big", fallback="small", fallback_after=1)
    app.provider("small")
    asked = []

    @app.task(provider="big", provider_key="account")
    async def ask(account: str, ctx: Context) -> str:
        asked.append(ctx.provider)
        if ctx.provider == "small":
            raise ProviderDown("small", retry_after=600)
        if asked.count("big") == 1:
            raise TooMany(retry_after=7200)
        return str(ctx.provider)

    handle = ask.enqueue("eu")
    control = Control(app.engine, app.store, "ann@host")

    async def waits():
        return next((gate for gate in await app.store.gates() if gate.lane == "big~eu"), None)

    async def story():
        await until(lambda: "small" in asked)
        gate = await until_looked(waits, lambda gate: gate is not None)
        told = list(asked)
        await control.provider("big", Act.CLOSE)  # somebody knows better
        return gate, told, await handle.aresult(timeout=SOON)

    gate, told, result = beside_a_worker(app, story)
    assert gate.until - app.clock.now() > 7000
    assert (told, result) == (["big", "small"], "big")
    assert handle.find().attempt == 1


async def until_looked(look, holds):
    """What is seen once it is so."""
    while not holds(seen := await look()):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return seen


def test_what_a_call_has_really_cost_corrects_the_budget(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/forebay.db", clock=ManualClock(wall=NOON)) as app:
        app.provider("llm", budget="1_000/day")

        @app.task(provider="llm", cost=400)
        async def ask(ctx: Context) -> None:
            ctx.spent(50)
            ctx.spent(30)

        handles = [ask.enqueue() for _ in range(6)]

        async def story():
            for handle in handles:
                await handle.aresult(timeout=SOON)
            while (spent := (await shown(app.engine, app.store))[0].budgets[0].spent) > 481:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            return spent

        assert beside_a_worker(app, story) == pytest.approx(480)


def test_spending_without_a_provider_is_refused(app):
    @app.task(retry=1)
    async def ask(ctx: Context) -> None:
        ctx.spent(5)

    handle = ask.enqueue()
    work(app, handle)
    assert "it needs provider=" in handle.find().cause


def test_few_of_its_calls_are_repeats_of_what_failed(app):
    app.provider("llm", breaker=None, retry_budget=0.1)
    began = []

    class Overloaded(Exception):
        status_code = 503

    @app.task(provider="llm")
    async def ask() -> None:
        began.append(1)
        raise Overloaded

    ask.enqueue_many([()] * 300)

    async def story():
        start = time.monotonic()
        await until(lambda: len(began) >= 300)
        await asyncio.sleep(2.5)  # each has been put back for a second
        return len(began), time.monotonic() - start

    calls, seconds = beside_a_worker(app, story, concurrency=50)
    assert calls - 300 <= 100 + 10 * seconds + 0.1 * calls


def test_for_a_short_while_it_is_waited_for(app):
    app.provider("llm", fallback="ask_other", fallback_after=60)
    asked = []

    @app.task(provider="llm")
    async def ask() -> str:
        asked.append(1)
        if len(asked) == 1:
            raise ProviderDown("llm", retry_after=0.3)
        return "the model itself"

    @app.task
    async def ask_other() -> str:
        return "another model"

    handle = ask.enqueue()
    work(app, handle)
    assert handle.result() == "the model itself"


@pytest.mark.parametrize(
    ("ways", "says"),
    [
        ({"fallback_after": 60}, "give it fallback="),
        ({"retry_budget": 20}, "retry_budget is a part of the calls"),
        ({"fallback": 5}, "fallback is a task"),
        ({"fallback": "nobody"}, "its fallback 'nobody' is no task of this app, nor a provider"),
        ({"fallback": "llm"}, "its fallback is itself"),
        ({"fallback": "ask"}, "its fallback 'ask' depends on it as well"),
        ({"fallback": "count"}, "its fallback 'count' runs in a process of its own"),
        ({"fallback": "other"}, "'other' gets the arguments of task ask, and takes no 'prompt'"),
        ({"fallback": "more"}, "'more' gets the arguments of task ask, and needs 'model' besides"),
        ({"fallback": "second"}, "provider second: its fallback 'other' gets the arguments of task ask"),
    ],
)
def test_a_fallback_that_could_not_run_is_refused(app, ways, says):
    def declare() -> None:
        app.provider("llm", **ways)

        @app.task(provider="llm")
        async def ask(prompt: str, loud: bool = False) -> None: ...

        @app.task(cpu=True)
        def count(prompt: str) -> None: ...

        @app.task
        async def other(question: str = "") -> None: ...

        @app.task
        async def more(prompt: str, model: str, context: Context) -> None: ...

        app.provider("second", fallback="other")
        ask.enqueue("x")

    with pytest.raises(ConfigError, match=says):
        declare()


def test_a_provider_that_nobody_has_declared_is_told_and_the_attempts_count(caplog):
    app = Forebay("memory://")
    app.provider("smtp")

    @app.task(retry=Retry(max_attempts=2, base=0, cap=0))
    def send() -> None:
        raise ProviderDown("smpt")

    with app:
        handle = send.enqueue()
        work(app, handle)
        assert (handle.status(), handle.find().attempt) == ("dead", 2)
    told = [line for line in caplog.messages if "no such provider is declared (known are smtp)" in line]
    assert len(told) == 1
    assert "app.provider('smpt')" in told[0]


def test_what_waits_from_before_a_task_had_its_provider_is_bounded_by_it_too(tmp_path):
    """So is what programs of the older version still send, for the service takes no more because of a deploy."""
    url, now, most = f"sqlite:///{tmp_path}/forebay.db", 0, 0
    newer, older = Forebay(url), Forebay(url)
    newer.provider("smtp", concurrency=2)
    older.provider("mailer")

    async def send(number: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1

    newer.task(name="send", provider="smtp", retry=1)(send)
    newer.task(name="write", provider="smtp", retry=1)(send)
    before, under_another = older.task(name="send")(send), older.task(name="write", provider="mailer")(send)
    handles = [task.enqueue(number) for number in range(8) for task in (before, under_another)]
    work(newer, *handles, concurrency=20)
    assert most == 2
    assert all(handle.find().attempt == 1 for handle in handles)
