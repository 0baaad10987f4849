"""Lists of commands in `--help` have whole clauses: a line that breaks off in "..." says less than it seems to."""

import click
import pytest
from click.testing import CliRunner

from forebay.cli.root import COMMANDS, cli
from forebay.cli.shared import Command


@pytest.mark.parametrize("group", ["dead", "rules", "schedules", "providers", "config"])
def test_no_line_of_a_list_of_commands_breaks_off(group: str) -> None:
    assert group in COMMANDS
    told = CliRunner().invoke(cli, [group, "--help"], terminal_width=80).output.partition("Commands:")[2]
    assert told.strip()
    assert "..." not in told


def test_a_sentence_gives_way_by_clauses() -> None:
    def short(text: str, limit: int) -> str:
        return Command("x", help=text).get_short_help_str(limit)

    text = "Do a thing: this one, or that; more of it follows. A second sentence."
    assert [short(text, limit) for limit in (80, 40, 29, 20, 15)] == [
        "Do a thing: this one, or that; more of it follows.",
        "Do a thing: this one, or that",
        "Do a thing: this one, or that",
        "Do a thing: this one",
        "Do a thing",
    ]
    assert short("No clause at all that would fit", 20) == click.Command(
        "x", help="No clause at all that would fit"
    ).get_short_help_str(20)
