"""Run the examples of one page of the documentation, from its first to its last, in the current folder.

Run as `python tools/snippets.py PAGE.md` (the tests do so for every page, each in an empty folder). What runs:

- every ```python block, in one namespace per page, `await` allowed at top level;
- a ```console block after `<!-- snippet: run -->`: each `$ forebay …` or `$ python …` line has to exit 0 and to print
  the lines below it, if there are any (`...` stands for anything); one that ends in ` &` runs beside the rest of the
  page, and has to exit 0 when it is terminated at the end.

A block after `<!-- snippet: file NAME -->` is written to that file instead of run; one after
`<!-- snippet: skip, REASON -->` is left alone.
"""

import ast
import asyncio
import contextlib
import doctest
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

FENCE = re.compile(
    r"(?:^[ ]*<!--\s*snippet:\s*(?P<marker>.*?)\s*-->\s*\n\s*)?"
    r"^(?P<indent>[ ]*)(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<code>.*?)^(?P=indent)(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)


class PageError(Exception):
    """A marker or a command that this tool does not understand."""


class Step(NamedTuple):
    """One thing to do: `what` is "python", "console" or "file"; `line` is where its code begins."""

    what: str
    line: int
    code: str
    name: str = ""


def steps(text: str) -> list[Step]:
    """Return what a page asks to be done, in order."""
    found = []
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        code = re.sub(f"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        marker, language = match["marker"] or "", match["language"].strip()
        if marker.startswith("file "):
            found.append(Step("file", line, code, marker.removeprefix("file ").strip()))
        elif marker == "run" and language == "console":
            found.append(Step("console", line, code))
        elif marker and not re.match(r"skip, \S", marker):
            raise PageError(f"line {line - 1}: cannot understand <!-- snippet: {marker} --> before ```{language}")
        elif not marker and language == "python":
            found.append(Step("python", line, code))
    return found


class Command(NamedTuple):
    """One command of a console block: its words, the output shown below it, and whether it runs beside the rest."""

    words: list[str]
    output: str
    beside: bool = False


def commands(code: str) -> list[Command]:
    """Return the commands of a console block, for this very Python."""
    lines = code.replace("\\\n", " ").splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    found = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        words = shlex.split(lines[start][2:], comments=True)
        beside = words[-1:] == ["&"]
        output = "".join(lines[start + 1 : end]).strip()
        found.append(Command(_command(words[:-1] if beside else words), output, beside))
    return found


def _command(words: list[str]) -> list[str]:
    match words:
        case ["forebay", *rest]:
            return [sys.executable, "-m", "forebay", *rest]
        case ["python", *rest]:
            return [sys.executable, *rest]
    raise PageError(f"only forebay and python are run, not: {shlex.join(words)}")


def run(page: Path) -> None:
    """Do the steps of a page; the first that fails raises."""
    module = sys.modules["__main__"] = ModuleType("__main__")
    sys.path.insert(0, str(Path.cwd()))
    with contextlib.ExitStack() as beside, asyncio.Runner() as runner:
        for step in steps(page.read_text(encoding="utf-8")):
            print(f"{page}:{step.line}: {step.what} {step.name}", flush=True)
            if step.what == "file":
                Path(step.name).write_text(step.code, encoding="utf-8")
            elif step.what == "console":
                for command in commands(step.code):
                    _console(command, beside)
            else:
                _python(step, page, vars(module), runner)


def _console(command: Command, beside: contextlib.ExitStack) -> None:
    if command.beside:
        process = subprocess.Popen(command.words)
        beside.push(lambda kind, *_: _end(process, failed=kind is not None))
        return
    done = subprocess.run(command.words, check=True, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if command.output and not doctest.OutputChecker().check_output(command.output, done.stdout, flags):
        raise PageError(f"{shlex.join(command.words[1:])} has to print\n{command.output}")


def _end(process: subprocess.Popen[bytes], *, failed: bool) -> None:
    process.terminate()
    code = process.wait(120)
    if code and not failed:  # what failed first is what to be told of
        raise subprocess.CalledProcessError(code, process.args)


def _python(step: Step, page: Path, namespace: dict[str, Any], runner: asyncio.Runner) -> None:
    padded = "\n" * (step.line - 1) + step.code  # so that a traceback shows the line of the page
    code = compile(padded, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        runner.run(eval(code, namespace))  # noqa: S307 - our own pages
    else:
        exec(code, namespace)  # noqa: S102 - our own pages


if __name__ == "__main__":
    run(Path(sys.argv[1]).resolve())
