"""Where `forebay bench` measures: a folder of its own on the disk in question, and real worker processes on it."""

import contextlib
import os
import time
from collections.abc import Generator
from pathlib import Path

from forebay.demo.fleet import Fleet as Workers
from forebay.demo.room import Room
from forebay.demo.room import room as folder_of_its_own
from forebay.engine.sqlite.address import url_of
from forebay.model.errors import ForebayError

#: Seconds that workers get to come.
START = 60.0


@contextlib.contextmanager
def room(folder: Path, durability: str) -> Generator[Room]:
    """A new folder below `folder`, gone at the end; this process and its children put their messages there."""
    with folder_of_its_own("forebay-bench-", folder) as place:
        ours = {"FOREBAY_URL": url_of(place.folder / "bench.db"), "FOREBAY_DURABILITY": durability}
        before = {key: os.environ.get(key) for key in ours}
        os.environ.update(ours)
        try:
            yield place
        finally:
            for key, value in before.items():
                os.environ.pop(key) if value is None else os.environ.update({key: value})


class Fleet(Workers):
    """Worker processes of the bench's app."""

    def __init__(self, place: Room, processes: int) -> None:
        options = ["-p", str(processes), "--drain", "1s"]
        super().__init__(place, "worker", "-A", "forebay.cli.bench_app:app", *options)

    def still_worth_it(self, since: float, patience: float, what: str) -> None:
        """Do nothing while there is hope.

        Raises:
            ForebayError: the workers ended, or it takes longer than `patience` seconds.
        """
        self.check()
        if time.monotonic() - since > patience:
            raise ForebayError(f"{what} takes longer than {patience:.0f} s; is this machine busy with something else?")
