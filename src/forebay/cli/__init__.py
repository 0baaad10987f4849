"""The command line: parse, call, print.

What a command does lives below, in `control`, `observe`, `produce` and `work`.
"""

from forebay.cli.root import main

__all__ = ["main"]
