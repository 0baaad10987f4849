"""Calls that are wrong: a type checker has to object to each line that ends in `# wrong`, and to no other."""

from right_calls import (
    Order,
    app,
    asynchronous,
    asynchronous_with_context,
    bare,
    tasks,
    tidy,
    with_context,
    with_options,
)

from forebay import Context, Forebay, Outcome


def plain_calls() -> None:
    bare(1)  # wrong
    bare("a@b.c", "subject is keyword-only")  # wrong


def arguments() -> None:
    bare.enqueue()  # wrong
    bare.enqueue(1)  # wrong
    bare.enqueue("a@b.c", "subject is keyword-only")  # wrong
    bare.enqueue("a@b.c", subjekt="a slip")  # wrong
    bare.enqueue("a@b.c", subject=1)  # wrong
    with_options.enqueue("a@b.c", "two")  # wrong
    asynchronous.enqueue(1)  # wrong
    tidy.enqueue(1)  # wrong
    with_context.enqueue("three")  # wrong
    with_context.enqueue()  # wrong


def arguments_after_using() -> None:
    bare.using(delay=1).enqueue(1)  # wrong
    with_options.using(priority=1).enqueue("a@b.c", count="two")  # wrong
    bare.using(delay=[5])  # wrong
    bare.using(later=1)  # wrong
    app.publish("clicks", 1, queue="other")  # wrong


async def asynchronously(ctx: Context) -> None:
    await bare.aenqueue(1)  # wrong
    await asynchronous.aenqueue("order")  # wrong
    await asynchronous_with_context.aenqueue("one")  # wrong
    await bare.using(delay=1).aenqueue(to=1)  # wrong
    await ctx.aenqueue(with_options, 1)  # wrong
    ctx.enqueue(with_options, "a@b.c", count="two")  # wrong


def results() -> None:
    number: int = bare.enqueue("a@b.c").result()  # wrong
    text: str = with_options.enqueue("a@b.c").result()  # wrong
    order: Order = asynchronous.enqueue(Order(1)).result()  # wrong
    print(number, text, order)


def options() -> None:
    @app.task(timeout=b"30s")  # wrong
    def task() -> None: ...

    @app.task(retries=3)  # wrong
    def other() -> None: ...

    @app.task(retry="many")  # wrong
    def third() -> None: ...

    @app.periodic("@daily", missed="nope")  # wrong
    def fourth() -> None: ...

    @app.periodic("@daily", overlap="never")  # wrong
    def fifth() -> None: ...

    @app.periodic("@daily", timezone="Europe/Vienna")  # wrong
    def sixth() -> None: ...

    @tasks.consume("clicks", batch="many")  # wrong
    def seventh(messages: object) -> None: ...

    print(task, other, third, fourth, fifth, sixth, seventh)


def settings() -> None:
    Forebay("memory://", leese=5)  # wrong
    Forebay("memory://", lease=[5])  # wrong
    Forebay("memory://", durability="some")  # wrong


def calls_as_values() -> None:
    bare.call(1)  # wrong
    bare.call("a@b.c").using(later=1)  # wrong
    bare.using(delay=1).call("a@b.c", "subject is keyword-only")  # wrong
    with_options.enqueue_many([bare.call("a@b.c")])  # wrong
    number: int = bare.handle("01a2").result()  # wrong
    print(number)


def lists() -> None:
    app.messages(state="dead", queues="mail")  # wrong
    app.messages(limit="many")  # wrong
    app.queues(1)  # wrong


def hooks() -> None:
    @app.on_failure  # wrong
    def without_outcome(context: Context, error: BaseException) -> None: ...

    @app.on_failure  # wrong
    def another_first(error: BaseException, context: Context, outcome: Outcome) -> None: ...

    @app.on_start  # wrong
    def with_context(context: Context) -> None: ...

    @tasks.on_stop  # wrong
    async def with_reason(reason: str) -> None: ...

    print(without_outcome, another_first, with_context, with_reason)


def rules() -> None:
    app.rules.add("pause", task=5)  # wrong
    app.rules.preview("drop", queue="mail", last="2h")  # wrong
