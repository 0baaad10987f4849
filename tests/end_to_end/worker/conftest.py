"""Places for fleets: one of its own for a test that breaks things, one that a file shares for all that do not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet import Fleet, Place

CREW = Path(__file__).with_name("crew.py")


@pytest.fixture
def make_place(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Makes a place with the settings that are given."""
    places = []

    def make(**settings: object) -> Place:
        places.append(Place(tmp_path, CREW, **settings))
        return places[-1]

    yield make
    for place in places:
        place.close()


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    return make_place()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Fleet]]:
    """A fleet of two for a whole file."""
    place = Place(tmp_path_factory.mktemp("shared"), CREW)
    with place.fleet("-p", "2", "--cpu", "2") as fleet:
        yield place, fleet
    place.close()
