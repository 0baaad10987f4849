"""What Python remarks on standard error by itself, as records of the log: warnings, and exceptions that it ignores.

What the user's code has made of either counts: where it captures warnings, shows them in a way of its own, or has a
hook, that stays.
"""

import logging
import sys
import warnings
from typing import TextIO

_warnings, _logger = logging.getLogger("py.warnings"), logging.getLogger("forebay.worker")
#: Characters of the text of what an ignored exception is about.
_ABOUT = 200


class Warned:
    """Warnings as records, between `take` and `leave`; either may be called again."""

    def __init__(self) -> None:
        self._before = warnings.showwarning

    def take(self) -> None:
        """From now on they are records, unless somebody else shows them already."""
        if warnings.showwarning is self._before:
            warnings.showwarning = self.show

    def leave(self) -> None:
        """They go where they went before, unless somebody else shows them by now."""
        if warnings.showwarning == self.show:
            warnings.showwarning = self._before

    def show(  # noqa: PLR0917 - it takes what Python passes
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int,
        file: TextIO | None = None, line: str | None = None,
    ) -> None:  # fmt: skip
        """See `warnings.showwarning`."""
        if file is not None:
            self._before(message, category, filename, lineno, file, line)
        else:
            _warnings.warning("%s", warnings.formatwarning(message, category, filename, lineno, line))


def tell_ignored() -> None:
    """From now on, exceptions that Python ignores (of a `__del__`, say) are told in our form, if no hook is theirs."""
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _ignored


def _ignored(args: "sys.UnraisableHookArgs") -> None:
    if args.exc_value is None:
        sys.__unraisablehook__(args)
        return
    trace = (args.exc_type, args.exc_value, args.exc_traceback)
    _logger.error("%s: %s", args.err_msg or "exception ignored in", _about(args.object), exc_info=trace)


def _about(value: object) -> str:
    try:
        return repr(value)[:_ABOUT]
    except Exception:  # noqa: BLE001 - their __repr__ may do anything
        return type(value).__name__
