"""Raw messages in batches: a thousand clicks become a few inserts.

    forebay worker -A 11_batches
    python 11_batches.py

Prints:

    1000 clicks of 10 visitors, in ... batches
"""

import sqlite3

from forebay import Forebay, Message

app = Forebay("sqlite:///examples.db")
CREATE = "create table if not exists click (id text primary key, page text, visitor text, batch text)"


@app.consume("clicks", batch=500, max_wait=0.2)
def load(messages: list[Message]) -> None:
    rows = [(message.id, message.value["page"], message.key, messages[0].id) for message in messages]
    with sqlite3.connect("examples-clicks.db") as db:
        db.execute(CREATE)
        db.executemany("insert or ignore into click values (?, ?, ?, ?)", rows)  # twice is as good as once


if __name__ == "__main__":
    handles = []
    for visitor in range(10):
        pages = [{"page": f"/{number}"} for number in range(100)]
        handles += app.publish_many("clicks", pages, key=f"visitor-{visitor}")
    for handle in handles:
        handle.result(timeout=60)
    with sqlite3.connect("examples-clicks.db") as db:
        counts = db.execute("select count(*), count(distinct visitor), count(distinct batch) from click").fetchone()
    print("{} clicks of {} visitors, in {} batches".format(*counts))
