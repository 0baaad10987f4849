"""The Redis that tests use: each takes a namespace of its own there, and takes it away again."""

import contextlib
import uuid

from engines.servers.found import needed
from forebay.config import Settings


def client():
    """The plain client, for looking behind the engine's back."""
    import redis

    return contextlib.closing(redis.Redis.from_url(needed("redis"), protocol=2))


@contextlib.contextmanager
def empty(**more):
    """Settings for a namespace with nothing in it."""
    settings = Settings(url=needed("redis"), namespace=f"test-{uuid.uuid4().hex[:12]}", **more)
    yield settings
    with client() as server:
        if keys := list(server.scan_iter(match=f"{{{settings.namespace}}}:*", count=1000)):
            server.unlink(*keys)


def forget_worker(backend, worker):
    """Take the row of a worker away, as somebody with a shell might."""
    tag = backend._server.address.tag
    with client() as server:
        server.zrem(f"{tag}alive", worker)
        server.hdel(f"{tag}w", worker)
