"""A fleet that a file shares for all tests that break nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import Fleet, Place

CREW = Path(__file__).with_name("crew.py")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Fleet]]:
    """A fleet of two for a whole file."""
    place = Place(tmp_path_factory.mktemp("shared"), CREW)
    with place.fleet("-p", "2", "--cpu", "2") as fleet:
        yield place, fleet
    place.close()
