"""An app whose queue has as many slots as its environment says, as in two versions of one program."""

import os

from forebay import Forebay

app = Forebay()
app.queue("bounded", concurrency=int(os.environ["FOREBAY_TEST_SLOTS"]))


@app.task(queue="bounded")
def process() -> int:
    return os.getpid()
