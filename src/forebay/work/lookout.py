"""Looks after worker processes that cannot look after themselves, and at the keeper that keeps their leases.

A child that holds the interpreter past a task's timeout, or whose engine does not answer, is ended. Starts nothing.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from forebay.engine.backend import Whole
from forebay.engine.trouble import Trouble
from forebay.flow.weight import too_heavy
from forebay.model.errors import EngineError, ForebayError
from forebay.model.outcome import Lose
from forebay.work import sayings
from forebay.work.host import rss
from forebay.work.keeper import Keeper
from forebay.work.offspring import Offspring

_logger = logging.getLogger("forebay.supervisor")
#: Seconds without a report after which a child counts as silent, and its tasks' limits are enforced from here.
SILENT = 3.0
#: A child talks, but its round trips for work do not come back: leases and polls, and then looks in a row, until it is
#: replaced. Likewise the keeper, when it alone gets no answer: then this process has to be replaced.
HUNG, LOOKS = 2.0, 3
_LOOK = 1.0


class Limits(NamedTuple):
    """What children are held to: seconds of a lease and between polls, and bytes of memory (0: any)."""

    lease: float
    poll: float
    memory: int


class Lookout:
    """Looks once a second.

    Args:
        children: those that live, by id.
        fail: told why this process has to go.
    """

    def __init__(
        self,
        children: Mapping[str, Offspring],
        backend: Whole,
        keeper: Keeper,
        fail: Callable[[ForebayError], None],
        limits: Limits,
    ) -> None:
        self._children, self._backend, self._keeper, self._fail = children, backend, keeper, fail
        self._lease, self._memory = limits.lease, limits.memory
        self._patience = HUNG * (limits.lease + limits.poll)
        self._deaf = 0
        self._silent: dict[str, float] = {}
        self._trouble = Trouble(_logger)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            self._silent = {id_: since for id_, since in self._silent.items() if id_ in self._children}
            for child in [child for child in self._children.values() if child.beat is not None]:
                await self._look_after(child)
            self._look_at_the_keeper()

    async def _look_after(self, child: Offspring) -> None:
        name = f"looking after worker {child.id}"
        try:
            self._listen(child)
            await self._enforce(child)
            self._look_for_life(child)
            self._weigh(child)
            self._trouble.over(name)
        except Exception as error:  # noqa: BLE001 - the others have to be looked after, too
            self._trouble.tell(name, error)

    def _listen(self, child: Offspring) -> None:
        """One line when it falls silent, one when it speaks again."""
        if child.silent > SILENT and child.id not in self._silent:
            self._silent[child.id] = time.monotonic() - child.silent
            _logger.warning("%s", sayings.silent(child.id, child.pid, child.silent, child.hook))
        elif child.silent <= SILENT and (since := self._silent.pop(child.id, None)) is not None:
            gap = time.monotonic() - child.silent - since
            _logger.info("worker %s speaks again, after %.0f s", child.id, gap)

    async def _enforce(self, child: Offspring) -> None:
        """A child whose interpreter is held by C code reports nothing: its tasks' limits are enforced from here."""
        if child.silent <= SILENT or not child.limits:
            return
        now = await self._backend.now()
        for found in await self._backend.find([d.id for d in await self._backend.held(child.id)]):
            limit = child.limits.get(found.task) if found is not None else None
            if found is None or limit is None or found.started is None or now - found.started <= limit:
                continue
            _logger.error("worker %s is silent and %s is past its timeout: ending its process", child.id, found.id)
            child.kill({found.id: Lose("it held the interpreter past its timeout")})
            return

    def _look_for_life(self, child: Offspring) -> None:
        """A child that talks but gets no answer from its engine, while we do, is replaced: its connection hangs.

        What ran in it may be why, and counts that as a lost worker.
        """
        hangs = child.proved(self._patience) is False and child.silent < 2 * _LOOK
        child.hung = child.hung + 1 if hangs else 0
        if child.hung > LOOKS and self._keeper.answered:
            why = child.trouble and f": {child.trouble}"
            _logger.error("worker %s gets no answer from its engine any more%s: ending its process", child.id, why)
            child.lose(f"its worker got no answer from the engine any more{why}")

    def _weigh(self, child: Offspring) -> None:
        """One that has outgrown its memory by far cannot wait for what it runs, which may be what grows."""
        if self._memory and (heavy := too_heavy(rss(child.pid), self._memory)):
            _logger.error("worker %s %s: ending its process", child.id, heavy)
            child.lose(f"its process {heavy}")

    def _look_at_the_keeper(self) -> None:
        """A keeper that gets no answer, while a child does, keeps nobody's lease: another process has to."""
        works = any(child.proved(self._lease) for child in self._children.values())
        self._deaf = self._deaf + 1 if works and self._keeper.silent > self._patience else 0
        if self._deaf == LOOKS + 1:
            _logger.critical("the keeper gets no answer from the engine, though workers do: leaving")
            self._fail(EngineError("the supervisor gets no answer from the engine, though its workers do: restart it"))
