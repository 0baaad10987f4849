"""Queues in numbers: tallies by lane, and the age of the oldest ready message of each."""

from collections.abc import Sequence
from typing import Any

from forebay.engine.contract import Depth, LaneDepth
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.writer import TALLIES

#: Lanes that are told of one queue.
LANES = 100


async def depths(db: Database, queues: Sequence[str] | None) -> list[Depth]:
    """One row per queue, by name; the cost depends on the number of queues, lanes and priorities, not of messages."""
    now = db.now()
    if now is None:
        now = float((await db.read("now"))[0][0])
    asked = None if queues is None else list(queues)
    about: dict[str, bool] = dict(await db.read("depth_about", asked, now))
    lanes = [_Lane(row) for row in await db.read("depth", asked, now)]
    held = [lane for lane in lanes if lane.numbers["ready"] > 0]
    oldest: dict[tuple[str, str], float] = {}
    if held:
        found = await db.read("oldest", [lane.queue for lane in held], [lane.lane for lane in held])
        oldest = {(queue, lane): at for queue, lane, at in found}
    names = sorted(queues if queues is not None else about)
    return [_depth(name, [lane for lane in lanes if lane.queue == name], about, oldest, now) for name in names]


class _Lane:
    """The numbers of one lane."""

    def __init__(self, row: Sequence[Any]) -> None:
        self.queue, self.lane, self.shut = row[0], row[1], row[-1]
        self.numbers: dict[str, Any] = {name: number or 0 for name, number in zip(TALLIES, row[2:-1], strict=True)}

    def depth(self, now: float) -> LaneDepth:
        """As it is told."""
        ready, running = (max(0, int(self.numbers[name])) for name in ("ready", "running"))
        if self.shut:
            return LaneDepth(lane=self.lane, running=running, parked=ready, why="closed")
        return LaneDepth(lane=self.lane, ready=ready, running=running, go=now if ready else None)


def _depth(
    name: str, lanes: Sequence[_Lane], about: dict[str, bool], oldest: dict[tuple[str, str], float], now: float
) -> Depth:
    sums: dict[str, Any] = {tally: sum(lane.numbers[tally] for lane in lanes) for tally in TALLIES}
    sums = {tally: max(0, int(n)) for tally, n in sums.items()} | {"seconds": float(sums["seconds"])}
    parked = sum(max(0, int(lane.numbers["ready"])) for lane in lanes if lane.shut)
    ages: dict[bool, float] = {False: now, True: now}
    for lane in lanes:
        ages[lane.shut] = min(ages[lane.shut], oldest.get((lane.queue, lane.lane), now))
    sums["ready"] -= parked
    special = [lane for lane in lanes if lane.lane and (lane.numbers["ready"] > 0 or lane.numbers["running"] > 0)]
    deepest = sorted(special, key=lambda lane: (-lane.numbers["ready"], lane.lane))[:LANES]
    return Depth(
        queue=name,
        parked=parked,
        age=now - ages[False],
        held=now - ages[True],
        paused=about.get(name, False),
        lanes=tuple([lane.depth(now) for lane in deepest]),
        **sums,
    )
