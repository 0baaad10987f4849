"""What a contender is: a library, one way to configure it, and how to start its worker.  Data only."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Command = list[str]
_ENVIRONMENTS = Path(__file__).resolve().parents[1] / ".venv"
#: The interpreter of the environment that holds the peers on Redis and PostgreSQL; `make bench-redis` makes it.
PEERS = _ENVIRONMENTS / "peers" / "bin" / "python"
#: Of that for the peers which need a newer Python than Forebay does; there if this machine has one.
NEWER = _ENVIRONMENTS / "peers-newer" / "bin" / "python"


def python_module(*arguments: str) -> Command:
    """The command line that runs `python -m …` with this very interpreter."""
    return [sys.executable, "-m", *arguments]


def peer_program(python: str, name: str, *arguments: str) -> Command:
    """The command line of a program of an environment of peers, given its interpreter."""
    return [str(Path(python).parent / name), *arguments]


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
    bulk: int = 0  # messages of the bulk figure, where the usual number would take too long
    naps: int = 0  # the same for sleeping tasks
    tasks: Mapping[str, str] = field(default_factory=dict)  # role in a figure -> task, where they differ
    environment: Mapping[str, str] = field(default_factory=dict)
    server: str = ""  # what it needs: "redis" (keeps nothing), "redis aof", "postgres"
    python: str = sys.executable  # what runs its producer
    prepares: bool = False  # whether its app has a `prepare` that makes tables and the like

    def task(self, role: str) -> str:
        """The task of the app module that plays a role in a figure."""
        return self.tasks.get(role, role)
