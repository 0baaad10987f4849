"""Real `forebay worker` processes for a demo or a benchmark, started as anybody would start them, gone with it."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from forebay.demo.janitor import LOG
from forebay.demo.room import Room
from forebay.model.errors import ForebayError

#: Seconds that the fleet gets to leave.
_PATIENCE = 10.0


class Fleet:
    """A supervisor and its worker processes, for as long as the block lasts, and not longer than this process.

    Args:
        room: where the log of what they say goes; they leave when it closes.
        command: the words after `forebay`.
        env: for them, beside what this process has.
    """

    def __init__(self, room: Room, *command: str, env: Mapping[str, str] | None = None) -> None:
        self.command = ["forebay", *command]
        self._room, self._log, self._env = room, room.folder / LOG, {**os.environ, **(env or {})}

    def __enter__(self) -> Self:
        leash = [sys.executable, "-m", "forebay.demo.leash"]
        with self._log.open("ab") as log:
            fcntl.flock(log, fcntl.LOCK_SH)  # held by all who write here, until the last of them is gone
            self._process = subprocess.Popen(
                [*leash, *self.command[1:]],
                stdin=self._room.leash,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,  # Ctrl-C is for this process, which then stops its workers
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
