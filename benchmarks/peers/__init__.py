"""All contenders, in the order in which each round runs them."""

from benchmarks.contender import Contender
from benchmarks.peers import celery, flexiq, forebay, honker, huey

CONTENDERS: tuple[Contender, ...] = (
    *forebay.CONTENDERS,
    *huey.CONTENDERS,
    *honker.CONTENDERS,
    *flexiq.CONTENDERS,
    *celery.CONTENDERS,
)
