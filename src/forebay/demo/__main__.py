"""`python -m forebay.demo`: the demo without the rest of the command line."""

import argparse
import sys
from pathlib import Path

from forebay.demo.run import run_demo
from forebay.model.errors import ConfigError, ForebayError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m forebay.demo", description="Forebay at work, one crash included.")
    parser.add_argument("--files", type=_positive, help="how many source files; all unless given")
    parser.add_argument("-p", "--processes", type=_positive, default=2, help="worker processes (default: 2)")
    parser.add_argument("--no-kill", dest="kill", action="store_false", help="let all workers live")
    parser.add_argument("--keep", type=Path, help="a new folder for queue and index, which stays")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def main() -> int:
    """Run the demo with the options of the command line; the exit code, as of every `forebay` command."""
    try:
        return run_demo(**vars(_parser().parse_args()))
    except ForebayError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2 if isinstance(error, ConfigError) else 1


if __name__ == "__main__":
    sys.exit(main())
