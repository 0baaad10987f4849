"""Trouble that lasts: told when it comes, when it changes and when it is over, not at every look.

Owns what was told last, by name, and nothing else. A text that differs in its numbers alone (a time, a count) is no
change. Bounded: past `MOST` names, the oldest is forgotten and may be told again.
"""

import logging
import re

from forebay.model.errors import ForebayError, text_of

#: Names that are remembered.
MOST = 1_000
_NUMBERS = re.compile(r"\d[\d,]*(\.\d+)?")


class Trouble:
    """What is wrong now, as a log has heard of it."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._told: dict[str, str] = {}

    def tell(self, name: str, error: BaseException | str, *, advice: str = "") -> None:
        """Say that `name` is in trouble, unless the log knows. Errors that nobody foresaw come with their traceback."""
        text = error if isinstance(error, str) else _described(error)
        kind = kind_of(text)
        if self._told.pop(name, None) != kind:
            trace = None if isinstance(error, str | ForebayError | OSError) else error
            self._logger.error("%s: %s%s", name, text, advice and f"; {advice}", exc_info=trace)
        self._told[name] = kind
        if len(self._told) > MOST:
            del self._told[next(iter(self._told))]

    def over(self, name: str) -> None:
        """It works, again if there was trouble."""
        if self._told and self._told.pop(name, None) is not None:
            self._logger.info("%s: works again", name)


def kind_of(text: str) -> str:
    """What a text says but for its numbers: a time or a count in it makes no other trouble."""
    return _NUMBERS.sub("", text)


def _described(error: BaseException) -> str:
    text = text_of(error)
    return text if isinstance(error, ForebayError) else f"{type(error).__name__}: {text}"
