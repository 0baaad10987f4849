"""The app of a lesson: its queues are one file in a folder of its own."""

import pytest

from forebay import Forebay


@pytest.fixture
def app(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/forebay.db") as app:
        yield app
