"""Whether two functions of one name are two, or one that was imported, reloaded or run again.

Pure looking: nothing is called. A module that is reloaded, a notebook cell that is run again and a file that is both
`__main__` and imported give the same function once more; a factory, a loop, a decorator that loses names, and two
definitions in one module give another one.
"""

import inspect
from typing import Any, NamedTuple, cast

_PLAIN = (int, float, complex, str, bytes, bool, type(None))
#: How deep functions that a function closes over are looked into.
_DEEP = 8


class Origin(NamedTuple):
    """Where a function comes from, as of the moment at which it was registered.

    Attributes:
        run: the import that made it; a reload has one of its own. None in a script or a notebook.
        held: what it closes over, and its defaults.
    """

    function: Any
    module: str
    name: str
    file: str
    line: int
    run: Any
    held: tuple[Any, ...]

    def __str__(self) -> str:
        return f"line {self.line}: {self.module}.{self.name}"


def origin(function: Any, depth: int = _DEEP) -> Origin:
    """The origin of anything that can be called."""
    inner: Any = inspect.unwrap(function) if callable(function) else function
    kind = cast("Any", type(inner))
    body = inner if hasattr(inner, "__code__") else getattr(kind, "__call__", inner)  # noqa: B004 - looked at only
    code = getattr(body, "__code__", None)
    named = inner if hasattr(inner, "__qualname__") else kind
    return Origin(
        function=inner,
        module=str(getattr(named, "__module__", "?")),
        name=str(getattr(named, "__qualname__", "?")),
        file=str(getattr(code, "co_filename", "")),
        line=int(getattr(code, "co_firstlineno", 0)),
        run=getattr(body, "__globals__", {}).get("__spec__"),
        held=_held(inner, depth - 1) if depth and hasattr(inner, "__code__") else (),
    )


def _held(function: Any, depth: int) -> tuple[Any, ...]:
    held: list[Any] = [_contents(cell) for cell in function.__closure__ or ()]
    held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return tuple(origin(one, depth) if hasattr(one, "__code__") else one for one in held)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet: a function that calls itself
        return None


def same(known: Origin, new: Origin) -> bool:
    """Whether `new` is the function that was known before."""
    one, other = known.function, new.function
    if one is other:
        return True
    if known.name != new.name or not _same_module(known, new):
        return False
    code = getattr(one, "__code__", None)
    if code is None:
        return type(one) is not type(other) and _run_again(known, new)  # an object: its class was made anew
    if code is getattr(other, "__code__", None):
        return len(known.held) == len(new.held) and all(map(_alike, known.held, new.held))
    return _run_again(known, new)


def _same_module(known: Origin, new: Origin) -> bool:
    if known.module == new.module:
        return True
    return "__main__" in {known.module, new.module} and known.file == new.file and known.line == new.line


def _run_again(known: Origin, new: Origin) -> bool:
    """Whether the code of `known` was compiled and run once more to make `new`."""
    if getattr(known.function, "__globals__", 1) is not getattr(new.function, "__globals__", 2):
        return known.file == new.file
    if known.run is not None or new.run is not None:
        return known.run is not new.run
    return known.file != new.file or known.line == new.line  # another cell, or the same lines again


def _alike(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, Origin) and isinstance(b, Origin):
        return same(a, b)
    return isinstance(a, _PLAIN) and type(a) is type(b) and bool(a == b)
