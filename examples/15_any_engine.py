"""Any engine: one app, unchanged, on SQLite, PostgreSQL, Redis or in memory. FOREBAY_URL says where.

    forebay worker -A 15_any_engine
    python 15_any_engine.py

Prints:

    prices [4, 9, 16, 25]
    came through at attempt 3
    failed after 2: ValueError: no such order, dead
    asked twice, welcomed once: hello ada
    called off: cancelled
"""

from forebay import Context, Forebay, Retry, TaskFailed

app = Forebay("sqlite:///examples.db")


@app.task
def price(amount: int) -> int:
    return amount * amount


@app.task(retry=Retry(max_attempts=3, base=0.05))
def flaky(context: Context) -> int:
    if context.attempt < 3:
        raise OSError("not yet")
    return context.attempt


@app.task(retry=Retry(max_attempts=2, base=0.05))
def hopeless() -> None:
    raise ValueError("no such order")


@app.task(queue="mail", priority=5)
async def welcome(name: str) -> str:
    return f"hello {name}"


def main() -> None:
    print("prices", [handle.result(timeout=60) for handle in price.enqueue_many([(n,) for n in range(2, 6)])])
    print("came through at attempt", flaky.enqueue().result(timeout=60))
    lost = hopeless.enqueue()
    try:
        lost.result(timeout=60)
    except TaskFailed:
        found = lost.find()
        print(f"failed after {found.attempt}: {found.failure}, {found.state}")
    one, two = (welcome.using(unique="welcome:ada", delay=2).enqueue("ada") for _ in range(2))
    print("asked twice, welcomed", "once:" if one.id == two.id else "twice:", one.result(timeout=60))
    later = price.using(delay=3600).enqueue(1)
    later.cancel()
    print("called off:", later.status())


if __name__ == "__main__":
    main()
