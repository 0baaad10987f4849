"""Many files, several lives each: from a seed to a verdict, and a table of what was seen."""

import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from forebay.model.errors import ForebayError
from forebay.testing.clock import ManualClock
from forebay.testing.powerloss.life import Durability, Finding, Life, Setting
from forebay.testing.powerloss.vfs import Skip

#: Power losses that one file lives through.
LIVES = 3


class Violation(NamedTuple):
    """A promise that was broken, and how to see it again."""

    seed: int
    durability: Durability
    life: int
    wrong: str
    skip: Skip = ""

    def __str__(self) -> str:
        again = f"python -m forebay.testing.powerloss --start {self.seed} --seeds 1 --durability {self.durability}"
        again += f" --skip {self.skip}" if self.skip else ""
        return f"seed {self.seed} ({self.durability}), power loss {self.life}: {self.wrong}\n    again: {again}"


class Verdict:
    """What many seeds showed. `seen` counts what happened, so that a quiet run can be told from a lucky one."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.violations: list[Violation] = []


def run_seed(seed: int, durability: Durability, verdict: Verdict, skip: Skip = "") -> None:
    """One file through its lives; ends early at a violation."""
    setting = Setting(durability, ManualClock(), skip)
    before: Life | None = None
    with tempfile.TemporaryDirectory(prefix="forebay-powerloss-") as name:
        files: dict[str, bytes] = {}
        for number in range(1, LIVES + 1):
            life = Life(_folder(name, f"life-{number}", files), number, setting, f"{seed} {durability} {number}")
            finding = _lived(life, before) or life.find(_folder(name, f"found-{number}", {}))
            if finding.wrong:
                verdict.violations.append(Violation(seed, durability, number, finding.wrong, skip))
                return
            assert life.loss is not None
            files, before = life.loss.disk, life
            _count(verdict.seen, durability, life, finding.lost)


def _lived(life: Life, before: Life | None) -> Finding | None:
    """A finding if the engine itself refuses to go on with what an earlier loss left: it noticed damage in its use."""
    try:
        life.live(before)
    except ForebayError as error:
        return Finding(0, f"does not go on: {error}")
    return None


def _folder(parent: str, name: str, files: dict[str, bytes]) -> Path:
    folder = Path(parent, name)
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return folder


def _count(seen: Counter[str], durability: Durability, life: Life, lost: int) -> None:
    assert life.loss is not None
    seen["power losses"] += 1
    seen["operations acknowledged before one"] += life.loss.acknowledged
    seen["leases and beats taken back" if durability == "full" else "acknowledged operations lost"] += lost
    seen["losses with a log to replay"] += any(name.endswith("-wal") for name in life.loss.disk)
    seen["messages that were there afterwards"] += len(life.found.get("message", []))


def run(seeds: range, durabilities: tuple[Durability, ...], skip: Skip = "") -> Verdict:
    """All seeds at all durabilities."""
    verdict = Verdict()
    for seed in seeds:
        for durability in durabilities:
            run_seed(seed, durability, verdict, skip)
    return verdict


def fresh_seed() -> int:
    """A seed nobody chose."""
    return random.SystemRandom().randrange(1_000_000_000)
