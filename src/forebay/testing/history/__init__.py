"""What really happened, written down by every process, and a judge that reads it.

`recorded(url, folder)` makes a URL whose engine keeps a history; `Recorder` lets tasks write down their own starts and
ends; `read(folder)` and `check(history)` say what was lost, invented, duplicated, overlapping, disordered or stuck.
`python -m forebay.testing.history FOLDER` judges a history that was kept.
"""

from forebay.testing.history import events
from forebay.testing.history.checker import Kind, Rules, Verdict, Violation, check, judge
from forebay.testing.history.engine import folder_of, recorded
from forebay.testing.history.record import Growing, Recorder, read
from forebay.testing.history.report import describe
from forebay.testing.history.story import sort

__all__ = [
    "Growing", "Kind", "Recorder", "Rules", "Verdict", "Violation", "check", "describe", "events", "folder_of", "judge",
    "read", "recorded", "sort",
]  # fmt: skip
