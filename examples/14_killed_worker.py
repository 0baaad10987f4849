"""A worker killed in the middle of a task loses nothing.

    forebay worker -A 14_killed_worker
    python 14_killed_worker.py

Prints:

    attempt 1 in process ... was killed; attempt 2 in process ... ended
"""

import os
import signal
from pathlib import Path

from forebay import Context, Forebay

app = Forebay("sqlite:///examples.db")


@app.task
def risky(context: Context, note: str) -> str:
    if context.attempt == 1:
        Path(note).write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out
    first = Path(note).read_text()
    return f"attempt 1 in process {first} was killed; attempt {context.attempt} in process {os.getpid()} ended"


if __name__ == "__main__":
    print(risky.enqueue("examples-note.txt").result(timeout=60))
    Path("examples-note.txt").unlink()
