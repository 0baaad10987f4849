"""`python -c CODE …` for tests, forked as everything else (see `starts`): to its end, or one that is talked to."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import starts

PATIENCE = 200.0


def run(code: str, *words: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """To its end, whatever that is; with what it wrote."""
    return starts.run(["-c", code, *map(str, words)], cwd or Path.cwd(), os.environ, PATIENCE, python=())


def done(code: str, *words: object, cwd: Path | None = None) -> str:
    """To an end in good order; what it wrote to standard output."""
    ended = run(code, *words, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


class Talking(starts.Started):
    """Its standard streams are pipes of text, as those of `subprocess.Popen` are."""

    def __init__(self, code: str, *words: object, cwd: Path | None = None) -> None:
        (given, fill), (out, out_end), (err, err_end) = os.pipe(), os.pipe(), os.pipe()
        self.stdin, self.stdout, self.stderr = open(fill, "w"), open(out), open(err)  # noqa: PTH123, SIM115
        words = "-c", code, *map(str, words)
        try:
            super().__init__(words, (given, out_end, err_end), cwd or Path.cwd(), os.environ, python=())
        finally:
            for end in (given, out_end, err_end):
                os.close(end)

    def communicate(self, text: str = "", timeout: float = PATIENCE) -> list[str]:
        """Say that, and nothing more; what it wrote to each stream until its end."""
        with contextlib.suppress(BrokenPipeError), self.stdin:
            self.stdin.write(text)
        with self.stdout, self.stderr, ThreadPoolExecutor(2) as pool:
            read = [pool.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                said = [future.result(timeout) for future in read]
                self.wait(timeout)
            except BaseException:
                self.kill()
                raise
        return said


@contextlib.contextmanager
def talking(*args: Any, **options: Any) -> Iterator[Talking]:
    """One that is over when the block is."""
    one = Talking(*args, **options)
    try:
        yield one
    finally:
        over(one)


def over(one: Talking) -> None:
    """End it, if it has not ended."""
    if not one.stdin.closed:
        one.kill()
        one.communicate()
