"""The directive `command-line`: every command with its usage and options, taken from the program itself.

What the commands say of themselves with `--help` is all there is to say, so that page and program cannot differ. The
options that every command has are left to the page around it.
"""

import inspect
from collections.abc import Iterator

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from forebay.cli.root import cli
from forebay.cli.shared import common_options

COMMON = {parameter.name for parameter in common_options()} | {"help"}


def contexts(command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Every command below `command`, each in a context that knows its whole path; the group before its commands."""
    if not isinstance(command, click.Group):
        return
    here = parent or click.Context(command, info_name="forebay")
    for name in command.list_commands(here):
        below = command.get_command(here, name)
        assert below is not None
        context = click.Context(below, info_name=name, parent=here)
        yield context
        yield from contexts(below, context)


def options(context: click.Context) -> list[tuple[str, str]]:
    """How each option is written, and what it does, without those that all commands have."""
    own = [p for p in context.command.params if isinstance(p, click.Option) and p.name not in COMMON]
    return [record for parameter in own if (record := parameter.get_help_record(context)) is not None]


def section(context: click.Context) -> nodes.section:
    """One command."""
    usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    text = inspect.cleandoc(context.command.help or "")
    listed = nodes.definition_list()
    for written, meaning in options(context):
        term = nodes.term("", "", nodes.literal(written, written))
        listed += nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph("", meaning)))
    parts = [nodes.title("", context.command_path), nodes.literal_block(usage, usage)]
    parts += [nodes.paragraph("", part) for part in text.split("\n\n")]
    return nodes.section("", *parts, *([listed] if len(listed) else []), ids=[nodes.make_id(context.command_path)])


class CommandLine(SphinxDirective):
    """`{command-line}`: takes nothing."""

    def run(self) -> list[nodes.Node]:
        """See docutils."""
        return [section(context) for context in contexts(cli)]


def setup(app: Sphinx) -> dict[str, bool]:
    """See Sphinx."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
