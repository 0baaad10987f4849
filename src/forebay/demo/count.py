"""Counting source code: from files to figures, and from many figures to one. Pure but for reading the file.

Never raises for what a file holds: one that does not parse counts as unparsable, and its problem is told.
"""

import ast
import io
import sysconfig
import tokenize
from collections.abc import Iterable
from pathlib import Path

import msgspec

#: The standard library of the Python that runs this.
LIBRARY = Path(sysconfig.get_path("stdlib"))

_FOREIGN = frozenset({"site-packages", "dist-packages", "__pycache__"})
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
_DOCUMENTED = ast.Module | ast.ClassDef | _FUNCTIONS
#: What parsers raise: bad syntax or encoding, null bytes, nesting that is too deep for the parser or for us.
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError)


class Function(msgspec.Struct, frozen=True, order=True):
    """A function by its length in lines; the longer one is the greater."""

    lines: int = 0
    place: str = ""


class Count(msgspec.Struct, frozen=True):
    """Figures of a file, a package or everything: they add up, and the longest function is the longest of all."""

    files: int = 0
    unparsable: int = 0
    lines: int = 0
    comments: int = 0
    functions: int = 0
    classes: int = 0
    imports: int = 0
    docstrings: int = 0
    longest: Function = Function()


#: The figures that add up, in the order of the fields.
FIGURES = tuple(name for name in Count.__struct_fields__ if name != "longest")


def sources() -> list[str]:
    """All source files of the standard library, relative to it, in order; what was installed into it is left out."""
    found = (path.relative_to(LIBRARY) for path in LIBRARY.rglob("*.py") if path.is_file())
    return sorted(path.as_posix() for path in found if not _FOREIGN.intersection(path.parts))


def package_of(path: str) -> str:
    """The package of a file, by its folder: `email.mime` for `email/mime/text.py`."""
    return Path(path).parent.as_posix().replace("/", ".").strip(".") or "(top level)"


def count_source(path: Path) -> tuple[Count, str]:
    """The figures of one file, and why it does not parse (`""` if it does)."""
    try:
        text = path.read_bytes()
    except OSError as error:
        return Count(files=1, unparsable=1), f"cannot be read: {error.strerror}"
    lines = len(text.splitlines())
    try:
        return _figures(path.stem, text, lines), ""
    except _UNPARSABLE as error:
        return Count(
            files=1, unparsable=1, lines=lines
        ), f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"


def merge(counts: Iterable[Count]) -> Count:
    """Many as one."""
    everything = list(counts)
    sums = {name: sum(getattr(count, name) for count in everything) for name in FIGURES}
    return Count(**sums, longest=max((count.longest for count in everything), default=Function()))


def _figures(module: str, text: bytes, lines: int) -> Count:
    nodes = list(ast.walk(ast.parse(text)))
    functions = [node for node in nodes if isinstance(node, _FUNCTIONS)]
    return Count(
        files=1,
        lines=lines,
        comments=sum(token.type == tokenize.COMMENT for token in tokenize.tokenize(io.BytesIO(text).readline)),
        functions=len(functions),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        imports=sum(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes),
        docstrings=sum(isinstance(node, _DOCUMENTED) and bool(ast.get_docstring(node, clean=False)) for node in nodes),
        longest=max((_measured(module, node) for node in functions), default=Function()),
    )


def _measured(module: str, node: _FUNCTIONS) -> Function:
    return Function((node.end_lineno or node.lineno) - node.lineno + 1, f"{module}.{node.name}")
