"""Timeouts: an exception in the task first (soft), its process killed if it does not stop (hard).

    forebay worker -A 09_timeouts
    python 09_timeouts.py

Prints:

    patient: took what there was after 0.5 s
    stubborn: message ... is dead: failed 1 of 1 attempts: ...TimeLimit: ...
"""

import time

from forebay import Forebay, TaskFailed, TimeLimit

app = Forebay("sqlite:///examples.db")


@app.task(timeout=0.5)
def patient() -> str:
    try:
        while True:
            time.sleep(0.01)
    except TimeLimit:
        return "took what there was after 0.5 s"


@app.task(timeout=0.5, grace=0.5, retry=1)
def stubborn() -> None:
    time.sleep(600)  # one long call; its process is ended, and the neighbours run on elsewhere


if __name__ == "__main__":
    print("patient:", patient.enqueue().result(timeout=60))
    try:
        stubborn.enqueue().result(timeout=60)
    except TaskFailed as error:
        print("stubborn:", error)
