"""The demo on a terminal: bars that move, tables with lines, some colour. Needs rich."""

import contextlib
from collections.abc import Generator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from forebay.demo.show import Bars, Row, numeric


class Lively:
    """See `forebay.demo.show.Show`."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def say(self, text: str, style: str = "") -> None:
        """See `Show.say`."""
        self._console.print(Text(text, style))

    def table(self, title: str, rows: Sequence[Row]) -> None:
        """See `Show.table`."""
        table = Table(title=Text(title, "bold"), title_justify="left", header_style="cyan", box=SIMPLE_HEAD)
        for column in zip(*rows, strict=True):
            table.add_column(column[0], justify="right" if numeric(column) else "left", overflow="fold")
        for row in rows[1:]:
            table.add_row(*map(Text, row))
        self._console.print("", table)

    @contextlib.contextmanager
    def bars(self, totals: Mapping[str, int]) -> Generator[Bars]:
        """See `Show.bars`."""
        columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.fields[note]}"), console=self._console) as progress:
            yield _Bars(progress, {name: progress.add_task(name, total=n, note="") for name, n in totals.items()})


class _Bars:
    def __init__(self, progress: Progress, tasks: Mapping[str, TaskID]) -> None:
        self._progress, self._tasks = progress, tasks

    def move(self, done: Mapping[str, int], note: str) -> None:
        """See `Bars.move`; the note stands beside the first bar."""
        for number, (name, task) in enumerate(self._tasks.items()):
            self._progress.update(task, completed=done[name], note="" if number else note)
