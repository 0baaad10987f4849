"""That nothing was forgotten: every command, every option, every exit code is used by some test in this folder."""

import ast
from collections.abc import Iterator
from pathlib import Path

import click

from forebay.cli.failing import Code
from forebay.cli.root import COMMANDS, cli
from forebay.cli.shared import common_options

COMMON = {option.name for option in common_options()}


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by its words."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command
        yield (name,), command
        if isinstance(command, click.Group):
            for below, one in command.commands.items():
                yield (name, below), one


def used() -> list[list[str]]:
    """The words of each call in the tests, as far as they are written out; lists of words too.

    `shell.worker(…)`, `shell.enqueue(…)`, `move(…)` and `demo(…)` are the commands of these names.
    """
    lines = []
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func
                method = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                lines.append([*([method] if method in COMMANDS else []), *_words(node.args)])
            elif isinstance(node, ast.List):
                lines.append(_words(node.elts))
    return [line for line in lines if line]


def _words(nodes: list[ast.expr]) -> list[str]:
    words: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.append(node.value)
        elif isinstance(node, ast.Starred) and isinstance(node.value, ast.Tuple):
            words += _words(node.value.elts)
    return words


def _of(path: tuple[str, ...], words: list[str]) -> bool:
    start = next((n for n, word in enumerate(words) if word == path[0]), None)
    return start is not None and words[start : start + len(path)] == list(path)


def test_every_command_and_every_option_is_used():
    lines = used()
    missing = []
    for path, command in commands():
        said = {word for words in lines if _of(path, words) for word in words}
        if not said:
            missing.append(" ".join(path))
        own = [one for one in command.params if isinstance(one, click.Option) and one.name not in COMMON]
        missing += [f"{' '.join(path)} {one.opts[-1]}" for one in own if not said & {*one.opts}]
    assert missing == []


def test_every_exit_code_is_expected_somewhere():
    text = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for code in Code:
        assert f"code={code.value}" in text or f"== {code.value}" in text, code
