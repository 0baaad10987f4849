"""The command: prints the seeds it takes, a table of what it saw, each violation with how to repeat it; 1 if any."""

import sys
from typing import get_args

import click

from forebay.testing.powerloss.life import Durability
from forebay.testing.powerloss.run import Verdict, Violation, fresh_seed, run_seed
from forebay.testing.powerloss.vfs import Skip

_DURABILITIES: tuple[Durability, ...] = get_args(Durability)


@click.command()
@click.option("--seeds", default=200, show_default=True, help="How many.")
@click.option("--start", type=int, help="The first one; the others follow. A random one unless given.")
@click.option("--durability", type=click.Choice([*_DURABILITIES, "both"]), default="both", show_default=True)
@click.option(
    "--skip", type=click.Choice(["log", "database", "folder"]), help="Leave out the syncs of this: must fail."
)
def main(seeds: int, start: int | None, durability: str, skip: Skip | None) -> None:
    """Cut the power at random moments and look at what is left."""
    start = fresh_seed() if start is None else start
    chosen: list[Durability] = [level for level in _DURABILITIES if durability in (level, "both")]
    click.echo(f"SEEDS={start}..{start + seeds - 1} ENGINE=sqlite DURABILITY={','.join(chosen)}")
    broken = 0
    for level in chosen:
        verdict = _run(range(start, start + seeds), level, skip or "")
        _print(level, verdict)
        broken += len(verdict.violations)
    sys.exit(1 if broken else 0)


def _run(seeds: range, level: Durability, skip: Skip) -> Verdict:
    verdict = Verdict()
    with click.progressbar(seeds, label=level, file=sys.stderr) as bar:
        for seed in bar:
            run_seed(seed, level, verdict, skip)
    return verdict


def _print(level: Durability, verdict: Verdict) -> None:
    click.echo(f"\ndurability={level}")
    for what, count in verdict.seen.items():
        click.echo(f"  {count:>9,}  {what}")
    click.echo(f"  {len(verdict.violations):>9,}  violations")
    for violation in verdict.violations:
        click.echo(_indented(violation))


def _indented(violation: Violation) -> str:
    return "    " + str(violation).replace("\n", "\n    ")


main()
