"""All contenders of an engine, in the order in which each round runs them."""

from benchmarks.contender import Contender
from benchmarks.peers import celery, flexiq, forebay, honker, huey, on_postgres, on_redis

CONTENDERS: dict[str, tuple[Contender, ...]] = {
    "sqlite": (
        *forebay.CONTENDERS,
        *huey.CONTENDERS,
        *honker.CONTENDERS,
        *flexiq.CONTENDERS,
        *celery.CONTENDERS,
    ),
    "redis": on_redis.CONTENDERS,
    "postgres": on_postgres.CONTENDERS,
}
