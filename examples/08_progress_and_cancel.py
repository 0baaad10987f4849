"""Report progress, and cancel a running task.

    forebay worker -A 08_progress_and_cancel
    python 08_progress_and_cancel.py

Prints:

    progress: {'copied': ...}
    asked to stop: running
    it is cancelled
"""

import asyncio
import time

from forebay import Context, Forebay, TaskFailed

app = Forebay("sqlite:///examples.db")


@app.task
async def copy(context: Context, files: int) -> int:
    try:
        for number in range(files):
            context.progress({"copied": number})
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        context.log.info("removing what is half copied")  # clean up, then let it go
        raise
    return files


if __name__ == "__main__":
    handle = copy.enqueue(100_000)
    while (progress := handle.progress()) is None:
        time.sleep(0.05)
    print("progress:", progress)
    print("asked to stop:", handle.cancel())
    try:
        handle.result(timeout=60)
    except TaskFailed as error:
        print("it is", error.state)
