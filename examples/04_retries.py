"""Retries: with backoff, with rules for some exceptions, or when the task asks for one.

    forebay worker -A 04_retries
    python 04_retries.py

Prints:

    sent at attempt 3
    message ... is dead: failed 1 of 1 attempts: ValueError: 'nowhere' is no address
"""

from forebay import Context, Forebay, Retry, TaskFailed

app = Forebay("sqlite:///examples.db")


class Busy(Exception):
    """The mail server has no time."""


@app.task(retry=Retry(max_attempts=5, base=0.1, rules={ValueError: Retry.never()}))
def send(context: Context, to: str) -> str:
    if "@" not in to:
        raise ValueError(f"{to!r} is no address")
    if context.attempt == 1:
        raise Busy("try again")  # the policy decides when
    if context.attempt == 2:
        raise Retry(after=0.2)  # the server said when
    return f"sent at attempt {context.attempt}"


if __name__ == "__main__":
    print(send.enqueue("a@b.c").result(timeout=60))
    try:
        send.enqueue("nowhere").result(timeout=60)
    except TaskFailed as error:
        print(error)
