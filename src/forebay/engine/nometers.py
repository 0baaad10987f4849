"""For an engine without meters: the role of the store that says so."""

from collections.abc import Sequence

from forebay.model.errors import EngineError
from forebay.model.meter import Meter


class NoMeters:
    """`store.contract.Meters` where there are none, and none can be put."""

    async def put_meters(self, meters: Sequence[Meter]) -> list[bool]:
        """There is no place for one.

        Raises:
            EngineError: always, unless nothing is put.
        """
        if meters:
            raise EngineError("this engine has no meters: rates and slots are not to be had on it")
        return []

    async def meters(self, names: Sequence[str] | None = None) -> list[Meter]:
        """None."""
        del names
        return []

    async def drop_meters(self, names: Sequence[str]) -> None:
        """Nothing is there to be removed."""
