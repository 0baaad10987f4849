"""The outage scenario on FlexiQ, with its retries as it ships, and with its breaker if SCENARIO_BREAKER says so."""

import os
from pathlib import Path
from typing import Any

from flexiq import Queue

from benchmarks.apps import outage_peer
from benchmarks.scenarios.terms import OPEN_FOR

queue = Queue(
    db_path=str(Path(os.environ["SCENARIO_DONE"]).with_name("flexiq.db")), workers=64, scheduler_batch_size=100,
    scheduler_poll_interval_ms=1,
)  # fmt: skip
BREAKER: dict[str, Any] = {"threshold": 10, "window": 10, "cooldown": int(OPEN_FOR)}
WAYS: dict[str, Any] = {"circuit_breaker": BREAKER} if os.environ.get("SCENARIO_BREAKER") else {}


@queue.task(**WAYS)
def charge(message: str) -> None:
    outage_peer.ask(message)


@queue.task(**WAYS)
def notify(message: str) -> None:
    outage_peer.ask(message)


@queue.task()
def resize(message: str) -> None:
    outage_peer.resize(message)


TASKS = {"charge": charge, "notify": notify, "resize": resize}


def send(task: str, message: str) -> None:
    TASKS[task].delay(message)
