"""Following the messages from here: enqueue them, show how they go, kill a worker half-way, wait for the last one."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from forebay import Forebay, ForebayError
from forebay.demo import report
from forebay.demo.count import package_of
from forebay.demo.crash import kill_one, recovery
from forebay.demo.fleet import Fleet
from forebay.demo.report import Story
from forebay.demo.show import Bars, Show
from forebay.model.lifecycle import State
from forebay.store.records import Query

#: Seconds between looks at the queues, and without any news until the demo gives up.
_LOOK, _STUCK = 0.1, 60.0


async def watch(show: Show, paths: Sequence[str], fleet: Fleet, *, kill: bool) -> Story:
    """Have `paths` counted by the fleet."""
    from forebay.demo.app import app, count_file, index  # reads its address when it is imported, so not before now

    started = time.monotonic()
    sizes = Counter(map(package_of, paths))
    calls = [(path, package_of(path), sizes[package_of(path)]) for path in paths]
    async with app:
        await count_file.aenqueue_many(calls)
        show.say(f"{len(calls):,} messages are safe on disk after {time.monotonic() - started:.2f} s.")
        with show.bars({"files": len(paths), "packages": len(sizes)}) as bars:
            mishap = _mishap(show, app, len(paths)) if kill else asyncio.sleep(0, 0)
            _, again = await asyncio.gather(_follow(app, fleet, bars, len(sizes)), mishap)
        took = time.monotonic() - started
        dead = await app.store.messages(Query(queue="files", state=State.DEAD, limit=len(paths)))
        return Story(packages=index.packages(), dead=dead, again=again, took=took)


async def _follow(app: Forebay, fleet: Fleet, bars: Bars, packages: int) -> None:
    """Move the bars until nothing waits or runs any more.

    A message is settled after those that it makes are published, so the queues are empty together only at the end.
    """
    started = changed = time.monotonic()
    last, quiet = (-1, -1), 0
    while quiet < 2:
        await asyncio.sleep(_LOOK)
        fleet.check()
        depths = {depth.queue: depth for depth in await app.engine.depth()}
        files = depths["files"]
        now, ended = time.monotonic(), files.done + files.died
        done = (ended, min(packages, depths["packages"].done))
        note = f"{ended / (now - started):.0f} files/s, {files.running} in flight"
        bars.move({"files": done[0], "packages": done[1]}, note)
        quiet = 0 if any(depth.ready + depth.scheduled + depth.running for depth in depths.values()) else quiet + 1
        changed, last = (changed if done == last else now), done
        if now - changed > _STUCK:
            raise ForebayError(f"nothing has moved for {_STUCK:.0f} s: the workers' log says why")


async def _mishap(show: Show, app: Forebay, files: int) -> int:
    """Kill a worker when half of the files are done; how many messages were run again for that."""
    done = 0
    while done < files:
        (depth,) = await app.engine.depth(["files"])
        done = depth.done + depth.died
        if done * 2 >= files and (victim := await kill_one(app)) is not None:
            report.killed(show, victim)
            outcome = await recovery(app, victim)
            report.recovered(show, outcome)
            return len(outcome.pauses)
        await asyncio.sleep(_LOOK / 2)
    report.spared(show)
    return 0
