"""Groups of exceptions: what is in them, whatever a subclass of theirs makes of it. Pure."""

from collections.abc import Iterator
from typing import Any

_GROUP: Any = BaseExceptionGroup
_within: Any = _GROUP.exceptions.__get__


def is_group(error: BaseException) -> bool:
    """Whether others are in it. By its type: `isinstance` may ask the exception itself, which may answer anything."""
    return issubclass(type(error), _GROUP)


def is_group_kind(kind: type) -> bool:
    """Whether it is a class of groups."""
    return issubclass(kind, _GROUP)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group, however deep, in order; of another exception, that one."""
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if is_group(one):
            waiting += reversed(_within(one))
        else:
            yield one
