"""Hold the sizes of the house: files, functions, arguments, classes, and nothing left half-done.

Run as `python tools/lengths.py [FOLDER ...]` (default: src). Prints one `path:line: reason` for each finding and
exits 1 if there is any. A function's length leaves its docstring out, so that explaining is never punished.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FILE_LINES = 400
STATEMENT_LINES = 60
SCRIPT_LINES = 170  # a script of a server holds what an engine of ours would do around several statements
FUNCTION_LINES = 45
ARGUMENTS = 7
PUBLIC_METHODS = 15
SUFFIXES = {".py", ".sql", ".lua"}
HALF_DONE = re.compile(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError")

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


class Finding(NamedTuple):
    """One broken limit, at a line of a file."""

    line: int
    reason: str


def findings(name: str, text: str) -> list[Finding]:
    """Return what is wrong with a file of this name and text, in the order of its lines."""
    found = [*_file(name, text), *_half_done(text)]
    if name.endswith(".py"):
        tree = ast.parse(text, filename=name)
        found += _module(tree)
        for node in ast.walk(tree):
            if isinstance(node, FUNCTION):
                found += _function(node)
            elif isinstance(node, ast.ClassDef):
                found += _class(node)
    return sorted(found)


def _file(name: str, text: str) -> Iterator[Finding]:
    one_operation = not name.endswith(".py") and "migrations/" not in name  # a migration is a whole schema
    limit = (SCRIPT_LINES if name.endswith(".lua") else STATEMENT_LINES) if one_operation else FILE_LINES
    lines = len(text.splitlines())
    if lines > limit:
        yield Finding(limit + 1, f"file has {lines} lines, at most {limit}")


def _half_done(text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), start=1):
        if match := HALF_DONE.search(line):
            yield Finding(number, f"half-done: {match[0]}")


def _module(tree: ast.Module) -> Iterator[Finding]:
    if ast.get_docstring(tree) is None:
        yield Finding(1, "module has no docstring")


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    lines = _lines(node) - (_lines(node.body[0]) if ast.get_docstring(node) is not None else 0)
    if lines > FUNCTION_LINES:
        yield Finding(node.lineno, f"{node.name}() has {lines} lines, at most {FUNCTION_LINES}")
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    count = len(names) - (names[:1] in (["self"], ["cls"]))
    if count > ARGUMENTS:
        yield Finding(node.lineno, f"{node.name}() takes {count} arguments, at most {ARGUMENTS}: use an options class")


def _class(node: ast.ClassDef) -> Iterator[Finding]:
    methods = {child.name for child in node.body if isinstance(child, FUNCTION) and child.name[0] != "_"}
    if len(methods) > PUBLIC_METHODS:
        yield Finding(node.lineno, f"class {node.name} has {len(methods)} public methods, at most {PUBLIC_METHODS}")


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def main(folders: list[str]) -> int:
    """Check every source file under the folders and return the exit code."""
    paths = sorted(path for folder in folders for path in Path(folder).rglob("*") if path.suffix in SUFFIXES)
    broken = [
        f"{path}:{finding.line}: {finding.reason}"
        for path in paths
        for finding in findings(path.as_posix(), path.read_text(encoding="utf-8"))
    ]
    print("\n".join(broken) if broken else f"lengths: {len(paths)} files within the limits")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["src"]))
