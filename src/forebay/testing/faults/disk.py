"""Scenarios of storage that runs out or is taken away. The disk is a real one, of a few megabytes."""

import contextlib
import random
import subprocess
from collections.abc import Generator
from pathlib import Path

from forebay.model.errors import EngineError, EngineFull
from forebay.testing.faults.ground import NotHere
from forebay.testing.faults.trial import Broken, Trial

_SIZE = 12_000_000
#: Messages of 4 KB: a few thousand of them fill the disk.
_PADDING = random.Random(0).randbytes(2_000).hex()  # which nobody makes much shorter


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Generator[Path]:
    """A disk of `size` bytes at `folder`, until the block ends, or this process does.

    Raises:
        NotHere: this user may not mount anything, or this is not Linux.
    """
    folder.mkdir(parents=True)
    script = f'mount -t tmpfs -o size={size} tmpfs "$0" && echo mounted && read _; umount -l "$0"'
    with subprocess.Popen(
        ["sh", "-c", script, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        if holder.stdout.readline() != "mounted\n":
            raise NotHere("this user may not mount a small disk: be root, or start the tests under `unshare -rm`")
        yield folder


def full(trial: Trial) -> None:
    """T9: the disk fills up under workers and a producer, and has room again later."""
    if trial.on_server:
        raise NotHere("that disk is the server's: one that cannot write its log ends, and is found again (T6)")
    with small_disk(trial.folder / "disk", _SIZE) as disk:
        trial.place(disk)
        fleet = trial.fleet(concurrency=4)
        trial.send("work", 10)
        trial.until("the fleet works", lambda: all(found.finished for found in trial.find(trial.ids)))
        trial.send("work", 40, seconds=0.1)
        trial.fault("disk full")
        ballast = _fill(disk / "ballast")
        _publish_until_refused(trial, tries=50)
        trial.pause(0.5, 1.0)
        ballast.unlink()
        trial.fault("disk has room again")
        trial.drain()
        _still_takes(trial)
        if fleet.code is not None:
            raise Broken(f"the fleet ended with {fleet.code}; see {fleet.log}")
        trial.finish()


def _fill(path: Path) -> Path:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"\0" * 65_536):
            pass
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        while file.write(b"\0" * 512):
            pass
    return path


def soft_limit(trial: Trial) -> None:
    """T9: the size limit is reached: publishing is refused in clear words, while what is there is worked off."""
    trial.max_size = 4_000_000
    refused = _publish_until_refused(trial, tries=2_000)
    trial.fault("size limit", refused)
    trial.fleet(concurrency=64, env={"FOREBAY_MAX_SIZE": str(trial.max_size)})
    trial.drain()
    _still_takes(trial)


def _publish_until_refused(trial: Trial, tries: int) -> str:
    """Publish large messages until there is no room.

    Raises:
        Broken: there always is, or it is not said in clear words.
    """
    for _ in range(tries):
        try:
            receipts = trial.publish(trial.messages("padded", 4, padding=_PADDING))
        except EngineError as error:
            if not isinstance(error, EngineFull):
                raise Broken(f"a full disk is reported as {error}") from error
            return str(error)
        if any(receipt.fate == "full" for receipt in receipts):
            return "full"
    raise Broken(f"{tries} publishes of 16 KB were accepted where there is no room for them")


def _still_takes(trial: Trial) -> None:
    trial.send("work", 10)
    trial.drain()
