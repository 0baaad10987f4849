"""What a contender is: a library, one way to configure it, and how to start its worker.  Data only."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Command = list[str]


def python_module(*arguments: str) -> Command:
    """The command line that runs `python -m …` with this very interpreter."""
    return [sys.executable, "-m", *arguments]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One row of the tables."""

    name: str
    family: str  # what --only selects; a family may have several rows
    setting: str  # how it is configured, in words
    durability: str  # what survives a power cut, and how often a message may run
    packages: tuple[str, ...]
    app: str  # a module of benchmarks.apps
    workers: Callable[[int, int | None], list[Command]]  # processes, concurrency (None: its own) -> commands
    figures: frozenset[str]  # the figures this row takes part in
    noops: int  # backlog of the no-op figure, so that a run takes a few seconds
    naps: int = 0  # the same for sleeping tasks
    tasks: Mapping[str, str] = field(default_factory=dict)  # role in a figure -> task, where they differ
    environment: Mapping[str, str] = field(default_factory=dict)
    redis: bool = False  # needs a private Redis server

    def task(self, role: str) -> str:
        """The task of the app module that plays a role in a figure."""
        return self.tasks.get(role, role)
