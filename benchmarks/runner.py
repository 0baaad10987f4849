"""Runs figures in rounds: each round measures every contender once, so that a drift of the machine meets all alike."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.contender import Contender
from benchmarks.figure import Figure, Sample, Scale


@dataclass
class Outcome:
    """All samples of one figure, and what went wrong on the way."""

    figure: Figure
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def medians(self) -> dict[str, Sample]:
        """The median of each column of each row, over the rounds that gave a figure."""
        return {name: {key: _median(key, rounds) for key in rounds[0]} for name, rounds in self.samples.items()}


def run(
    figure: Figure, contenders: Sequence[Contender], rounds: int, scale: Scale, say: Callable[[str], None]
) -> Outcome:
    """Measure one figure: contender after contender, round after round."""
    outcome = Outcome(figure)
    taking_part = [contender for contender in contenders if figure.name in contender.figures]
    for number in range(1, rounds + 1):
        for contender in taking_part:
            say(f"{figure.name} {number}/{rounds} {contender.name}")
            try:
                sample = figure.measure(contender, scale)
            except Exception as error:  # noqa: BLE001  one contender that fails must not end the run
                outcome.failures.append(f"{contender.name}, round {number}: {type(error).__name__}: {error}")
            else:
                outcome.samples.setdefault(contender.name, []).append(sample)
    return outcome


def _median(key: str, rounds: Sequence[Sample]) -> float:
    known = [sample[key] for sample in rounds if not math.isnan(sample.get(key, math.nan))]
    return statistics.median(known) if known else math.nan
