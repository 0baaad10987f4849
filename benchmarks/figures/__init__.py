"""The figures, in the order of the run."""

from benchmarks.figure import Figure
from benchmarks.figures import backlog, bare, enqueue, floor, idle, latency, limits, noop, sleeps, snapshot

FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        *(noop.ONE_PROCESS, noop.TWO_PROCESSES, enqueue.FIGURE, latency.FIGURE, sleeps.FIGURE, idle.FIGURE),
        *(floor.FIGURE, bare.FIGURE, backlog.FIGURE, limits.FIGURE, snapshot.FIGURE),
    )
}
