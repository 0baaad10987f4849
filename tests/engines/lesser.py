"""`engines.lesser+memory://?lacks=priorities,unique`: memory, as an engine that has less than this house's have."""

import msgspec

from forebay.engine.registry import backend as inner_backend
from forebay.testing import wrapping


class Lesser(wrapping.Wrapped):
    """Without what it lacks, and without ids of messages that have not ended if that is `browse`."""

    def __init__(self, inner, lacks):
        super().__init__(inner)
        self.capabilities = msgspec.structs.replace(inner.capabilities, **dict.fromkeys(lacks, False))

    async def find(self, ids):
        found = await self._inner.find(ids)
        return [one if one is None or one.finished or self.capabilities.browse else None for one in found]


def backend(settings, clock):
    lacks = [name for name in wrapping.option(settings.url, "lacks").split(",") if name]
    inner = inner_backend(wrapping.peel(msgspec.structs.replace(settings, store=None, namespace=""), "lacks"), clock)
    return wrapping.around(inner, lambda inner: Lesser(inner, lacks))
