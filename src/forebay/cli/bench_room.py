"""Where `forebay bench` measures: a folder of its own on the disk in question, and real worker processes on it."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

from forebay.model.errors import ForebayError

#: Seconds that workers get to leave, and to come.
PATIENCE = 10.0
START = 60.0


@contextlib.contextmanager
def room(folder: Path, durability: str) -> Generator[Path]:
    """A new folder below `folder`, removed at the end; this process and its children put their messages there."""
    with tempfile.TemporaryDirectory(prefix="forebay-bench-", dir=folder, ignore_cleanup_errors=True) as name:
        ours = {"FOREBAY_URL": f"sqlite:///{Path(name).resolve() / 'bench.db'}", "FOREBAY_DURABILITY": durability}
        before = {key: os.environ.get(key) for key in ours}
        os.environ.update(ours)
        try:
            yield Path(name)
        finally:
            for key, value in before.items():
                os.environ.pop(key) if value is None else os.environ.update({key: value})


class Fleet:
    """Worker processes of the bench's app: `forebay worker`, as anybody would start it."""

    def __init__(self, folder: Path, processes: int) -> None:
        self._log = folder / "worker.log"
        command = [sys.executable, "-m", "forebay", "worker", "-A", "forebay.cli.bench_app:app"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "-p", str(processes), "--drain", "1s"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the bench, which then stops its workers
            )

    def check(self, since: float, patience: float, what: str) -> None:
        """Do nothing while there is hope.

        Raises:
            ForebayError: the workers ended, or it takes longer than `patience` seconds.
        """
        if self._process.poll() is not None:
            words = self._log.read_text("utf-8", "replace").strip().splitlines()[-3:]
            raise ForebayError(f"the workers ended with {self._process.returncode}: {' / '.join(words)}")
        if time.monotonic() - since > patience:
            raise ForebayError(f"{what} takes longer than {patience:.0f} s; is this machine busy with something else?")

    def stop(self) -> None:
        """End them, with patience first."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
