"""The directive `lifecycle-diagram`: draws the life of a message from the one table that owns it.

States stand where PLACES puts them; arrows come from the table alone, so a move that is added there shows up here, and
a state without a place stops the build. What every live state may do is drawn once, from the frame around them; moves
that lead back to where they began are left out.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from forebay.model.lifecycle import FINAL, LIVE, TABLE, Move, State


class Point(NamedTuple):
    """A place in the picture, in pixels from its upper left corner."""

    x: float
    y: float


WIDTH, HEIGHT = 860, 380
HALF = Point(48, 17)  # half the width and height of a state
PUBLISH = Point(200, 20)
PLACES = {
    State.SCHEDULED: Point(120, 110),
    State.READY: Point(330, 110),
    State.RUNNING: Point(580, 110),
    State.PARKED: Point(490, 205),
    State.DONE: Point(800, 110),
    State.DEAD: Point(800, 205),
    State.CANCELLED: Point(120, 345),
    State.EXPIRED: Point(280, 345),
    State.DISCARDED: Point(680, 345),
}
#: How far the middle of an arrow swings out to its right, in pixels; the others are straight.
BENDS = {
    (State.RUNNING, State.SCHEDULED): 55,
    (State.READY, State.RUNNING): -14,
    (State.RUNNING, State.READY): -20,
    (State.DEAD, State.READY): -120,
}
STYLE = """<style>
.lifecycle { width: 100%; font: 12px sans-serif; }
.lifecycle rect, .lifecycle path { fill: none; stroke: currentColor; }
.lifecycle path { marker-end: url(#lifecycle-head); opacity: .65; }
.lifecycle .final { stroke-width: 2.5; }
.lifecycle .frame { stroke-dasharray: 4 4; opacity: .4; }
.lifecycle text { fill: currentColor; text-anchor: middle; paint-order: stroke;
  stroke: var(--color-background-primary, white); stroke-width: 4px; }
.lifecycle .state { font-weight: bold; font-size: 13px; }
</style><defs><marker id="lifecycle-head" orient="auto" refX="8" refY="4" markerWidth="8" markerHeight="8">
<polygon points="0,0 8,4 0,8" fill="currentColor"/></marker></defs>"""


def picture() -> str:
    """The whole table as one SVG element that takes its colour from the page."""
    parts = [STYLE, *(_box(state) for state in State), *_arrows()]
    title = "Life of a message: " + "; ".join(f"{start} {what} {end}" for (start, what), end in TABLE.items())
    return (
        f'<svg class="lifecycle" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'
    )


def _arrows() -> Iterator[str]:
    common = {what for what in Move if all((state, what) in TABLE for state in LIVE)}
    single: dict[tuple[State, State], list[Move]] = defaultdict(list)
    for (start, what), end in TABLE.items():
        if start is not end and (start not in LIVE or what not in common):
            single[start, end].append(what)
    for (start, end), moves in single.items():
        yield _arrow(PLACES[start], PLACES[end], " · ".join(moves), BENDS.get((start, end), 0))
    yield _arrow(PUBLISH, PLACES[State.READY], "publish")
    yield _arrow(PUBLISH, PLACES[State.SCHEDULED], "publish later")
    columns, rows = zip(*(PLACES[state] for state in LIVE), strict=True)
    left, right, top, floor = min(columns) - 64, max(columns) + 64, min(rows) - 33, max(rows) + 33
    yield f'<rect class="frame" x="{left}" y="{top}" width="{right - left}" height="{floor - top}" rx="10"/>'
    for what in sorted(common):
        for end in {TABLE[state, what] for state in LIVE}:
            yield _arrow(Point(min(PLACES[end].x, right - 64), floor - HALF.y), PLACES[end], what)


def _box(state: State) -> str:
    x, y = PLACES[state]
    kind = "final" if state in FINAL else "live"
    return (
        f'<rect class="{kind}" x="{x - HALF.x}" y="{y - HALF.y}" width="{2 * HALF.x}" height="{2 * HALF.y}" rx="6"/>'
        f'<text class="state" x="{x}" y="{y + 4}">{state}</text>'
    )


def _arrow(start: Point, end: Point, label: str, bend: float = 0) -> str:
    dx, dy = end.x - start.x, end.y - start.y
    length = math.hypot(dx, dy)
    middle = Point((start.x + end.x) / 2 - dy / length * bend, (start.y + end.y) / 2 + dx / length * bend)
    control = Point(2 * middle.x - (start.x + end.x) / 2, 2 * middle.y - (start.y + end.y) / 2)
    tail = start if start == PUBLISH else _border(start, control)
    head = _border(end, control)
    return (
        f'<path d="M{tail.x:.0f},{tail.y:.0f} Q{control.x:.0f},{control.y:.0f} {head.x:.0f},{head.y:.0f}"/>'
        f'<text x="{middle.x:.0f}" y="{middle.y - 5:.0f}">{label}</text>'
    )


def _border(center: Point, toward: Point) -> Point:
    """Where the line from the middle of a state toward a point leaves its box."""
    dx, dy = toward.x - center.x, toward.y - center.y
    scale = min(HALF.x / abs(dx) if dx else math.inf, HALF.y / abs(dy) if dy else math.inf)
    return Point(center.x + dx * scale, center.y + dy * scale)


class LifecycleDiagram(SphinxDirective):
    """The picture, in place of the directive."""

    def run(self) -> list[nodes.Node]:
        """Draw it afresh on every build."""
        return [nodes.raw("", picture(), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known to Sphinx."""
    app.add_directive("lifecycle-diagram", LifecycleDiagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
