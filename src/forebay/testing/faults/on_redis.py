"""The scenarios of what an operator, or another user, does to a Redis in the middle of work."""

import time
from typing import Any

import redis

from forebay.testing.faults.load import Load
from forebay.testing.faults.trial import Trial


def meddled_with(trial: Trial, rounds: int = 4) -> None:
    """T26: scripts are forgotten, connections closed, memory runs short and is there again; nobody helps."""
    load = Load(trial)
    client: Any = redis.Redis(port=trial.server.port, protocol=2)
    with client:
        for _ in range(rounds):
            trial.pause(0.2, 0.6)
            trial.fault("SCRIPT FLUSH")
            client.script_flush()
            trial.pause(0.2, 0.6)
            trial.fault("CLIENT KILL", "all")
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            trial.pause(0.2, 0.6)
            trial.fault("maxmemory", "is below what is used")
            client.config_set("maxmemory", 1)
            trial.pause(0.5, 1.0)
            client.config_set("maxmemory", 0)
            trial.fault("maxmemory", "has no limit")
            load.comes_back(time.monotonic())
    load.finish()
