"""From a scenario to a result: play, drain, stop, count, judge. A history that fails is kept, and its place is told."""

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forebay.model.errors import ForebayError
from forebay.testing.faults.ground import MakePlace, NotHere
from forebay.testing.faults.trial import Broken, Trial
from forebay.testing.history import Kind, Rules, Verdict, describe, judge, read, sort


@dataclass(frozen=True)
class Scenario:
    """One row of the crash table.

    Attributes:
        id: its number in the catalogue; variants add a letter.
        engines: the engines that can be struck so; all if empty.
        smoke: whether it is in the short round that every change has to pass.
        whole: whether it is in the whole table, and not only a short form of another row.
    """

    id: str
    title: str
    play: Callable[[Trial], None]
    engines: frozenset[str] = frozenset()
    rules: Rules = field(default_factory=Rules)
    smoke: bool = True
    whole: bool = True


@dataclass(frozen=True)
class Result:
    """How one trial went. `skipped` says why it did not take place, `complaint` which claim of its own did not hold."""

    scenario: Scenario
    engine: str
    seed: int
    took: float
    folder: Path
    verdict: Verdict | None = None
    complaint: str = ""
    skipped: str = ""
    report: str = ""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was broken; a skipped row passes, visibly."""
        return bool(self.skipped) or (self.verdict is not None and self.verdict.clean and not self.complaint)

    @property
    def live(self) -> bool:
        """Whether the work went on to its end after the faults, without an operator."""
        return self.passed or (not self.complaint and self.verdict is not None and not self.verdict.of(Kind.STUCK))


def run(
    scenario: Scenario,
    engine: tuple[str, MakePlace],
    seed: int,
    folder: Path,
    *,
    wrappers: Sequence[tuple[str, dict[str, str]]] = (),
    many: int = 20,
) -> Result:
    """Play one scenario on an engine and judge it.

    Args:
        engine: its name, and what makes its place.
        folder: a new one, removed again unless a promise was broken.
        wrappers: put around the engine, such as a mutation.
        many: seeds of a scenario that simulates, and so can be had by the hundred.
    """
    name, make_place = engine
    started = time.monotonic()
    with Trial(folder, make_place, seed, wrappers) as trial:
        trial.many = many
        complaint, skipped = _play(scenario, trial)
    took = time.monotonic() - started
    if skipped:
        shutil.rmtree(folder)
        return Result(scenario, name, seed, took, folder, skipped=skipped)
    found = sort(read(trial.history))
    verdict = judge(found, scenario.rules)
    if scenario.rules.window:
        trial.notes.append(f"{verdict.declared} messages lost or doubled inside the declared window")
    notes = tuple(trial.notes)
    result = Result(scenario, name, seed, took, folder, verdict, complaint, "", describe(verdict, found), notes)
    if result.passed:
        shutil.rmtree(folder)
    return result


def _play(scenario: Scenario, trial: Trial) -> tuple[str, str]:
    """What it complains of, and why it was skipped; both empty if neither."""
    try:
        scenario.play(trial)
        trial.finish()
    except NotHere as reason:
        return "", str(reason)
    except Broken as claim:
        _count_anyway(trial)
        return str(claim), ""
    except (ForebayError, subprocess.TimeoutExpired) as error:
        _count_anyway(trial)
        return f"{type(error).__name__}: {error}", ""
    return "", ""


def _count_anyway(trial: Trial) -> None:
    """A census is worth having even then; the complaint stands whatever it shows."""
    if not trial.finished:
        try:
            trial.finish()
        except (Broken, ForebayError, OSError, subprocess.TimeoutExpired):
            return
