"""Delays, expiry and cron schedules.

    forebay worker -A 06_schedules
    python 06_schedules.py

Prints:

    scheduled
    hello Ada, after ... s
    expired: message ... is expired: waited past its time
    schedules: tidy at */5 * * * * Europe/Vienna
"""

import time

from forebay import Forebay, TaskFailed

app = Forebay("sqlite:///examples.db")


@app.task
def greet(name: str, since: float) -> str:
    return f"hello {name}, after {time.time() - since:.1f} s"


@app.periodic("*/5 * * * *", tz="Europe/Vienna", missed="skip")
def tidy() -> None:
    print("swept")


if __name__ == "__main__":
    now = time.time()
    handle = greet.using(delay=0.5).enqueue("Ada", now)
    print(handle.status())
    print(handle.result(timeout=60))
    late = greet.using(expires=0).enqueue("Grace", now)  # too late already
    try:
        late.result(timeout=60)
    except TaskFailed as error:
        print("expired:", error)
    schedule = app.registry.schedules["tidy"]
    print("schedules:", schedule.name, "at", schedule.cron, schedule.tz)
