"""An app that says of its queue, its provider and its schedule what its environment says, as two versions of one do."""

import os

from forebay import Forebay

SLOTS = int(os.environ["FOREBAY_TEST_SLOTS"])

app = Forebay()
app.queue("bounded", concurrency=SLOTS)
app.queue("marked", mark=SLOTS)
app.provider("shop", concurrency=SLOTS)


@app.task(queue="bounded")
def process() -> int:
    return os.getpid()


@app.periodic(f"0 {SLOTS} * * *", queue="bounded")
def nightly() -> None: ...
