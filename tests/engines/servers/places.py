"""An empty place for messages on any engine, for tests that are the same on several."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engines.servers import postgres, redis


@contextmanager
def place(engine: str, folder: Path) -> Iterator[tuple[str, str]]:
    """URL and namespace; a file goes into `folder`."""
    if engine == "memory":
        yield "memory://", ""
    elif engine == "sqlite":
        yield f"sqlite:///{folder}/queue.db", ""
    elif engine == "postgresql":
        with postgres.emptied() as settings:
            yield settings.url, settings.namespace
    else:
        with redis.empty() as settings:
            yield settings.url, settings.namespace
