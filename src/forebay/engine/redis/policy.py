"""Whether the server keeps what it holds: its eviction policy, which anybody may change while workers run.

Looked at where a keeper tidies, in an answer that it asks for anyway. One line when it begins to evict, one when it is
put right. Refuses nothing: what is there is best worked off.
"""

import logging

from forebay.engine.redis.server import Said, evicts, parse_info

_logger = logging.getLogger("forebay.redis")


class Policy:
    """What was said of it last."""

    def __init__(self, place: str) -> None:
        self._place, self._told = place, ""

    def look(self, memory: object) -> None:
        """At an answer to INFO memory; what is no answer says nothing."""
        if not isinstance(memory, bytes):
            return
        why = evicts(Said(parse_info(memory.decode("utf-8", "replace")), {}))
        if why and why != self._told:
            _logger.error("%s: accepted messages may get lost: %s", self._place, why)
        elif self._told and not why:
            _logger.warning(
                "%s: its maxmemory-policy is noeviction again; what it threw away meanwhile is lost", self._place
            )
        self._told = why
