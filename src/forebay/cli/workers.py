"""`workers`, `healthcheck`."""

import platform
from shlex import quote

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.failing import Code
from forebay.cli.human import ago, short, size, span
from forebay.cli.kinds import SECONDS
from forebay.cli.shared import Command, locator, the_app, timed, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.observe.snapshot import patience, proof_age
from forebay.store.records import WorkerRow
from forebay.work.host import identity


def table(now: float, lease: float, app: str) -> Table[WorkerRow]:
    """Worker processes; `lease` as in the settings, `app` as `-A` names it."""
    return Table(
        [
            Column("WORKER", lambda w: w.worker, short=lambda w: short(w.worker)),
            Column("STATE", lambda w: w.state if w.left > 0 else "stale"),
            Column("RUNNING", _running, right=True),
            Column("DONE", lambda w: f"{w.done:,}", right=True, drop=1),
            Column("FAILED", lambda w: f"{w.failed:,}", right=True),
            Column("AS OF", lambda w: f"{span(max(0.0, (w.lease or lease) - w.left))} ago", right=True, drop=3),
            Column("LAST OK", lambda w: f"{span(proof_age(w, lease))} ago", right=True),
            Column("MEMORY", lambda w: size(w.rss) if w.rss else "-", right=True, drop=4),
            Column("UP", lambda w: ago(w.started, now).removesuffix(" ago"), right=True, drop=5),
            Column("PID", lambda w: str(w.pid), right=True, drop=2),
            Column("HOST", lambda w: w.node or w.host, flex=True, drop=6),
            Column("QUEUES", lambda w: ", ".join(w.queues), flex=True, least=12, wrap=True),
        ],
        f"no workers: start one with `forebay worker -A {quote(app)}`",
    )


def _running(worker: WorkerRow) -> str:
    """How many of how many; of how many more when all is well."""
    lowered = f" of {worker.slots}" if worker.concurrency < worker.slots else ""
    return f"{worker.running}/{worker.concurrency}{lowered}"


async def _rows(app: Forebay) -> list[WorkerRow]:
    return await app.store.workers()


@click.command(cls=Command)
def workers() -> None:
    """List worker processes: their queues, how much they run, and when they last leased successfully."""
    app = the_app("workers")
    rows, now = timed(app, _rows)
    output.show(form(), rows, table(now, app.settings.lease, locator()))


@click.command(cls=Command)
@click.option(
    "--max-age",
    type=SECONDS,
    help="How long ago a worker may last have proved that it can lease; default one lease, at least 10s.",
)
def healthcheck(max_age: float | None) -> int:
    """Exit 0 if a worker process of this host or container lives and recently proved that it works, else 4: for probes.

    One that works suffices; others that do not are named.
    """
    app = the_app("healthcheck")
    lease = app.settings.lease
    oldest = patience(lease) if max_age is None else max_age
    rows = with_app(app, _rows)
    here = [row for row in rows if row.host == identity()]
    ages = {row.pid: proof_age(row, lease) for row in here if row.left > 0}
    healthy = bool(ages) and min(ages.values()) <= oldest
    reason = _reason(here, ages, oldest) if here else _nobody(rows)
    answer = {"healthy": healthy, "reason": reason, "workers": len(ages), "max_age": oldest}
    output.show_one(form(), answer, lambda: [f"{'healthy' if healthy else 'unhealthy'}: {answer['reason']}"])
    return Code.OK if healthy else Code.UNHEALTHY


def _nobody(rows: list[WorkerRow]) -> str:
    """None here; those elsewhere cannot be judged from here, even where their host has the same name."""
    name = platform.node()
    alike = sum(row.node == name and row.left > 0 for row in rows)
    if alike:
        return f"no worker on {name} in this container (pid namespace); {alike} in another of that name: probe there"
    return f"no worker on {name}"


def _reason(here: list[WorkerRow], ages: dict[int, float], max_age: float) -> str:
    if not ages:
        return f"the lease of {len(here)} worker(s) on this host ran out"
    said = f"{len(ages)} worker(s), the last proof of work is {span(min(ages.values()))} old"
    bad = [f"process {pid} for {span(age)}" for pid, age in ages.items() if age > max_age]
    return f"{said}; without a proof: {', '.join(bad)}" if bad and len(bad) < len(ages) else said
