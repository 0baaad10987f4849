"""The picture of an outage: calls of the provider, what gets done, and what waits."""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmarks.scenarios.judge import UNRELATED, Seen, at_once

COLOURS = {"ok": "tab:green", "503": "tab:red", "hang": "tab:purple", "429": "tab:orange"}


def draw(seen: Seen, title: str, file: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(4, 1, figsize=(11, 11), sharex=True)
    calls, running, goodput, waiting = axes
    end = max([seen.stop, *(done.at for done in seen.done)])
    for what, colour in COLOURS.items():
        times = [began - seen.begin for began, _, _, said in seen.calls if said == what]
        calls.plot(*_rates(times, end - seen.begin, 0.5), color=colour, label=what)
    calls.set_ylabel("calls/s of the provider")
    steps = at_once(seen.calls)
    running.step([at - seen.begin for at, _ in steps], [count for _, count in steps], where="post", linewidth=0.8)
    running.set_ylabel("calls at a time")
    for task in sorted({done.task for done in seen.done}):
        times = [done.at - seen.begin for done in seen.done if done.task == task]
        goodput.plot(*_rates(times, end - seen.begin, 1.0), label=task)
    goodput.set_ylabel("done/s")
    waiting.plot(*_levels(seen))
    waiting.set_ylabel("waiting for the provider")
    waiting.set_xlabel("seconds")
    for axis in axes:
        _phases(axis, seen)
    calls.legend(loc="upper right")
    goodput.legend(loc="upper right")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)


def _rates(times: Sequence[float], length: float, width: float) -> tuple[list[float], list[float]]:
    """Events a second, in steps of a width."""
    counts = Counter(int(at / width) for at in times)
    steps = range(int(length / width) + 1)
    return [step * width for step in steps], [counts[step] / width for step in steps]


def _levels(seen: Seen) -> tuple[list[float], list[int]]:
    """How many of the provider's messages were accepted and not done."""
    accepted = [(at, 1) for at, message in seen.sent if not message.startswith(UNRELATED)]
    changes = sorted(accepted + [(done.at, -1) for done in seen.done if done.task != UNRELATED])
    return [at - seen.begin for at, _ in changes], [*accumulate(change for _, change in changes)]


def _phases(axis: Any, seen: Seen) -> None:
    ends = [at for at, _ in seen.phases[1:]] + [seen.stop]
    for (at, mode), end in zip(seen.phases, ends, strict=True):
        if mode != "ok":
            axis.axvspan(at - seen.begin, end - seen.begin, color=COLOURS[mode], alpha=0.12)
