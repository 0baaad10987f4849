"""Places for fleets, whose app is the `crew.py` of a test's own folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet import Place


@pytest.fixture
def make_place(tmp_path: Path, crew: Path) -> Iterator[Callable[..., Place]]:
    """Makes a place with the settings that are given."""
    places = []

    def make(**settings: object) -> Place:
        places.append(Place(tmp_path, crew, **settings))
        return places[-1]

    yield make
    for place in places:
        place.close()


@pytest.fixture
def crew(request: pytest.FixtureRequest) -> Path:
    """The file of the app."""
    return request.path.with_name("crew.py")


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    return make_place()
