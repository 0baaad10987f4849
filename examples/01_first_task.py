"""A task, a call that is enqueued, and its result.

    forebay worker -A 01_first_task     in one terminal
    python 01_first_task.py             in another

Prints:

    called directly: 5
    enqueued: ...
    done by a worker: 5
"""

from forebay import Forebay

app = Forebay("sqlite:///examples.db")


@app.task
def add(a: int, b: int) -> int:
    return a + b


if __name__ == "__main__":
    print("called directly:", add(2, 3))
    handle = add.enqueue(2, 3)
    print("enqueued:", handle.id)
    print("done by a worker:", handle.result(timeout=60))
