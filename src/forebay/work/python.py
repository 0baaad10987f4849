"""How this process starts another Python like itself: worker processes, and those of `cpu=True` tasks."""

import subprocess
import sys


def interpreter() -> list[str]:
    """How to start another Python like this one: with the flags it has, and nothing of the present folder in front.

    A file of the user's called `queue.py` or `forebay.py` must not stand in for what we import ourselves; the folder
    comes first again, as everybody expects, when the app is imported.
    """
    flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags")()  # noqa: B009 - what multiprocessing uses
    known = {flag.partition("=")[0] for flag in flags}
    options: dict[str, str | bool] = getattr(sys, "_xoptions")  # noqa: B009 - it passes on only some of these
    for name, value in options.items():
        if name not in known:
            flags += ["-X", name if value is True else f"{name}={value}"]
    return [sys.executable, *flags, *([] if "-P" in flags or "-I" in flags else ["-P"])]
