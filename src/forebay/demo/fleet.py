"""The demo's workers: a real `forebay worker`, started as anybody would start it, and stopped however the demo ends."""

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from forebay.model.errors import ForebayError

#: Processes in which one worker process runs `cpu=True` tasks: while one waits for the disk, the other one parses, and
#: while one worker is being replaced, the others keep two cores busy.
_CPU = 2
#: Seconds that the fleet gets to leave.
_PATIENCE = 10.0


class Fleet:
    """A supervisor and its worker processes, for as long as the block lasts.

    Args:
        log: the file that takes what they say.
    """

    def __init__(self, processes: int, log: Path) -> None:
        self.command = [
            "forebay", "worker", "-A", "forebay.demo.app:app",
            "-p", str(processes), "--cpu", str(_CPU), "--drain", "1s",
        ]  # fmt: skip
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},  # old escapes in old files are not our business
                start_new_session=True,  # Ctrl-C is for the demo, which then stops its workers
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        finally:
            self._process.kill()  # does nothing to one that has left; its workers leave when it is gone
            self._process.wait()

    def check(self) -> None:
        """Do nothing, as long as it runs.

        Raises:
            ForebayError: it has ended by itself, and with which last words.
        """
        if self._process.poll() is not None:
            words = self._log.read_text("utf-8", "replace").strip().splitlines()[-5:]
            raise ForebayError(f"the workers ended with code {self._process.returncode}: {' / '.join(words)}")
