"""What a figure is: how one contender is measured once, and which columns the results make.  Data only."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.contender import Contender

Sample = dict[str, float]


@dataclass(frozen=True)
class Column:
    key: str
    heading: str
    digits: int = 0


@dataclass(frozen=True)
class Scale:
    """How much work one measurement is: the full size, or `--quick`."""

    quick: bool = False

    def of(self, full: int, at_least: int = 1) -> int:
        """Return the full number, or a tenth of it."""
        return max(at_least, full // 10) if self.quick else full

    def seconds(self, full: float) -> float:
        """Return the full time, or a quarter of it."""
        return full / 4 if self.quick else full


@dataclass(frozen=True)
class Figure:
    name: str
    title: str
    method: str
    columns: tuple[Column, ...]  # the first is the one that ratios are taken of
    measure: Callable[[Contender, Scale], Sample]
    lower_is_better: bool = False
