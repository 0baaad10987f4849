"""How a process that was forked comes to look as Python does when it has just started, and ends as Python does.

For the hall and for nests (see `starts` and `nest`). What the interpreter looks at only when it starts (`PYTHON…`, the
locale) is the hall's; the rest comes from an order: words, folder, environment, where modules are found. To others the
kernel shows its words and environment (`/proc/…/cmdline` and `environ`) as if they had been there from the start.
"""

import atexit
import ctypes
import io
import os
import runpy
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

#: What Python and the C library look at when they start, and not again.
AT_THE_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")
#: Room in the hall's command line and environment for those of others.
ROOM = 32 * 1024
_FLAGS: list[str] = getattr(subprocess, "_args_from_interpreter_flags")()  # noqa: B009 - what multiprocessing uses
_WARNOPTIONS, _FILTERS = list(sys.warnoptions), list(warnings.filters)
_STREAMS = (sys.stdin, sys.stdout, sys.stderr)
#: Where modules are found without an order, and the main modules that were here before.
_path, _kept = list[str](), list[ModuleType]()
#: What was imported before there was an order.
_common = dict[str, ModuleType]()


def settle(path: Sequence[str]) -> None:
    """From here on this interpreter finds its modules there, and after what an order says."""
    _path[:] = path
    _common.update(sys.modules)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_common))


@atexit.register  # before anybody else does: so it is called after all others
def _leave_common_modules() -> None:
    """Python takes its modules apart when it ends, which is most of a short command's work: only what it has itself.

    What its own modules and the libraries that it imported hold is let go as ever, with all that then is said.
    """
    for name, module in _common.items():
        if sys.modules.get(name) is module and name not in ("sys", "builtins", "__main__"):
            del sys.modules[name]


def chosen(env: Mapping[str, str]) -> dict[str, str]:
    """What of an environment Python would start differently for: not where modules are, which each order says."""
    return {name: value for name, value in env.items() if name.startswith(AT_THE_START) and name != "PYTHONPATH"}


def customised(env: Mapping[str, str]) -> bool:
    """Whether a start runs code of this environment's own, which has to come before all else."""
    folders = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    return any(Path(folder, f"{kind}customize.py").exists() for folder in folders for kind in ("site", "user"))


def program(words: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """The words after the flags of a Python like this one, and those flags that may differ; None if it is none."""
    rest, flags = list(words[1:]), list[str]()
    while rest and (rest[0] in (*_FLAGS, "-P") or rest[0].startswith("-W")):  # the hall has its own from `PYTHON…`
        flag = rest.pop(0)
        flags.append(flag + (rest.pop(0) if flag == "-W" and rest else ""))
    if words[0] != sys.executable:
        return None
    named = len(rest) > 1 if rest[:1] in (["-m"], ["-c"]) else bool(rest) and not rest[0].startswith("-")
    return (rest, flags) if named else None


def become(order: Mapping[str, Any]) -> None:
    """Take the words, the folder and the environment of an order, with new standard streams over descriptors 0 to 2."""
    words, env = [os.fsdecode(word) for word in order["words"]], order["env"]
    rest, flags = program(words) or ([], [])
    os.chdir(order["cwd"])
    os.environb.clear()
    os.environb.update(env)
    time.tzset()
    _show(order["words"], [name + b"=" + value for name, value in env.items()])
    sys.orig_argv = words
    sys.argv = [rest[0], *rest[2 if rest[0] in ("-m", "-c") else 1 :]]
    _path_as_started(rest, os.fsdecode(env.get(b"PYTHONPATH", b"")), "-P" in flags)
    given = [flag.removeprefix("-W") for flag in flags if flag.startswith("-W") and flag not in _FLAGS]
    sys.warnoptions[:], warnings.filters[:] = [*_WARNOPTIONS, *given], _FILTERS
    getattr(warnings, "_processoptions")(given)  # noqa: B009 - what Python itself calls
    sys.stdin = sys.__stdin__ = _stream(0, "r")
    sys.stdout = sys.__stdout__ = _stream(1, "w")
    sys.stderr = sys.__stderr__ = _stream(2, "w")


def run() -> None:
    """What the words say, in a new `__main__`."""
    rest, _ = program(sys.orig_argv) or ([], [])
    _kept.append(sys.modules["__main__"])
    main = sys.modules["__main__"] = ModuleType("__main__")
    vars(main)["__builtins__"] = sys.modules["builtins"]
    match rest:
        case ["-m", module, *_]:
            getattr(runpy, "_run_module_as_main")(module)  # noqa: B009 - what Python itself calls
        case ["-c", code, *_]:
            exec(compile(code, "<string>", "exec", dont_inherit=True), vars(main))
        case [file, *_]:
            main.__file__ = str(Path.cwd() / file)
            exec(compile(Path(file).read_bytes(), main.__file__, "exec", dont_inherit=True), vars(main))


def run_to_the_end() -> None:
    """Run, and end as Python does, wherever in a process this is: exit code, traceback, threads, exit handlers."""
    vars(sys.modules["__main__"])["_run"] = run
    failed = ctypes.pythonapi.PyRun_SimpleString(b"_run()")  # does not come back from SystemExit
    ctypes.pythonapi.Py_Exit(1 if failed else 0)


def _path_as_started(rest: Sequence[str], given: str, safe: bool) -> None:
    first = (
        {"-m": str(Path.cwd()), "-c": ""}.get(rest[0])
        if rest[0].startswith("-")
        else str(Path(rest[0]).resolve().parent)
    )
    named = dict.fromkeys(str(Path.cwd() / path) for path in given.split(os.pathsep) if given)
    sys.path[:] = [*([] if safe else [first]), *named, *(path for path in _path if path not in named)]
    where = type(sys.flags).__match_args__.index("safe_path")
    if sys.flags.safe_path != safe:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(safe))
        ctypes.pythonapi.PyStructSequence_SetItem(ctypes.py_object(sys.flags), where, ctypes.py_object(safe))


def _show(words: Sequence[bytes], env: Sequence[bytes]) -> None:
    """Write them where the kernel looks for those that a program was started with; on Linux."""
    if sys.platform != "linux":
        return
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:49]
    for start, end, texts in zip(fields[::2], fields[1::2], (words, env), strict=True):
        size = int(end) - int(start)
        block = b"".join(text + b"\0" for text in texts)[: size - 1].ljust(size, b"\0")
        ctypes.memmove(int(start), block, size)


def _stream(number: int, mode: str) -> Any:
    """A standard stream as Python makes it, for another file or terminal than the hall's; none for no file at all."""
    try:
        os.fstat(number)
    except OSError:
        return None
    like: Any = _STREAMS[number]
    lines = not like.write_through and mode == "w" and (number == 2 or os.isatty(number))
    file: Any = io.FileIO(number, mode, closefd=False)
    if not like.write_through:
        file = io.BufferedReader(file) if mode == "r" else io.BufferedWriter(file)
    return io.TextIOWrapper(file, like.encoding, like.errors, "\n", lines, like.write_through)
