"""A fleet that a whole file shares, and what holds after each row: the worker lives and runs a good message."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import Fleet, Place, until

CREW = Path(__file__).with_name("crew.py")


class Abused:
    """A fleet of one process, with what has to be true of it after each bad thing."""

    def __init__(self, place: Place, fleet: Fleet) -> None:
        self.place, self.fleet, self.crew = place, fleet, place.crew

    def death(self, handle):
        """Wait until a message is dead: all that is known of it."""
        until(
            lambda: handle.status() == "dead", lambda: f"its death, not {handle.status()}:\n{self.fleet.said[-2000:]}"
        )
        return self.place.found(handle)

    def still_works(self):
        """A good message of each kind runs."""
        handles = [getattr(self.crew, name).enqueue(1, 2) for name in ("add", "add_in_thread", "add_in_process")]
        assert [handle.result(240) for handle in handles] == [3, 3, 3]

    @property
    def pids(self):
        return self.fleet.pids()


@pytest.fixture
def alone(place: Place) -> Iterator[Abused]:
    """A fleet for one test that harms it."""
    with place.fleet("--cpu", "1") as fleet:
        yield Abused(place, fleet)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abused]:
    """One worker process for a whole file."""
    place = Place(tmp_path_factory.mktemp("shared"), CREW, unknown_for=0)
    with place.fleet("--cpu", "1") as fleet:
        yield Abused(place, fleet)
    place.close()
