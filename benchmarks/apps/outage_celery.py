"""The outage scenario on Celery, with the retries of its documentation: `autoretry_for=`, `retry_backoff=True`."""

import os

from celery import Celery

from benchmarks.apps import outage_peer

app = Celery("outage", broker=f"redis://127.0.0.1:{os.environ['SCENARIO_REDIS']}/0")
RETRIES = {"autoretry_for": (OSError,), "retry_backoff": True}

charge = app.task(name="charge", **RETRIES)(outage_peer.ask)
notify = app.task(name="notify", **RETRIES)(outage_peer.ask)
resize = app.task(name="resize")(outage_peer.resize)
TASKS = {"charge": charge, "notify": notify, "resize": resize}


def send(task: str, message: str) -> None:
    TASKS[task].delay(message)
