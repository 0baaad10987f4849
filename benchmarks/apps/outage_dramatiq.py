"""The outage scenario on Dramatiq, whose retries are on as it ships: 20, after 15 s at first."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.apps import outage_peer

dramatiq.set_broker(RedisBroker(url=f"redis://127.0.0.1:{os.environ['SCENARIO_REDIS']}/0"))

TASKS = {
    "charge": dramatiq.actor(outage_peer.ask, actor_name="charge"),
    "notify": dramatiq.actor(outage_peer.ask, actor_name="notify"),
    "resize": dramatiq.actor(outage_peer.resize, actor_name="resize"),
}


def send(task: str, message: str) -> None:
    TASKS[task].send(message)
