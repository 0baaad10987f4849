"""`python -m forebay.testing.faults`: play the crash table and print it; 1 if a promise was broken."""

import logging
import secrets
import sys
import tempfile
from pathlib import Path

import click

from forebay.testing.faults import table
from forebay.testing.faults.catalogue import ENGINES, SCENARIOS
from forebay.testing.faults.run import Result, run


@click.command()
@click.option("--seeds", default=200, show_default=True, help="Power losses to simulate (row T10).")
@click.option("--rounds", default=1, show_default=True, help="How often every row is played, with another seed each.")
@click.option("--start", type=int, help="The first seed; a random one unless given.")
@click.option("--only", multiple=True, metavar="ID", help="Just these rows: T1, T9 ...")
@click.option("--engine", type=click.Choice(list(ENGINES)), default="sqlite", show_default=True)
@click.option("--write", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The page to put it into.")
def main(*, seeds: int, rounds: int, start: int | None, only: tuple[str, ...], engine: str, write: Path | None) -> None:
    """Break things, watch, judge: the crash table."""
    chosen = [one for one in SCENARIOS if one.id in only or (not only and one.whole)]
    others = [one.id for one in chosen if one.engines and engine not in one.engines]
    chosen = [one for one in chosen if one.id not in others]
    if unknown := set(only) - {one.id for one in SCENARIOS}:
        raise click.UsageError(f"no row {', '.join(sorted(unknown))}: there are {', '.join(s.id for s in SCENARIOS)}")
    first = secrets.randbelow(1_000_000_000) if start is None else start
    logging.getLogger("forebay").setLevel(logging.ERROR)  # that a fault was noticed is no news here
    folder = Path(tempfile.mkdtemp(prefix="forebay-faults-"))
    click.echo(f"SEED={first} ENGINE={engine} ROUNDS={rounds}\n{table.heading()}")
    results = list[Result]()
    for seed in range(first, first + rounds):
        for scenario in chosen:
            place = folder / f"{scenario.id}-{seed}"
            result = run(scenario, (engine, ENGINES[engine]), seed, place, many=seeds)
            results.append(result)
            click.echo(table.line(result))
            if not result.passed:
                click.echo(result.report)
    if others:
        click.echo(f"not on {engine}, for they strike what it does not have: {', '.join(others)}")
    if not any(folder.iterdir()):
        folder.rmdir()
    if write is not None:
        table.write(write, results)
    sys.exit(0 if all(result.passed for result in results) else 1)


if __name__ == "__main__":
    main()
