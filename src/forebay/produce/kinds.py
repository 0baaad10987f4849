"""Annotations: which can travel, in which form they are decoded, and how much of their values has to be compared.

All of it is found out once, where a task is made. Most annotations of most tasks lose nothing on their way, and cost
nothing more; see `Trust`.
"""

import collections
import typing
from collections import abc
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any
from uuid import UUID

import msgspec

from forebay.model.wire import EXACT, exactly
from forebay.produce import models
from forebay.produce.plain import again, plainly, texts
from forebay.produce.records import Record, record_of


class Trust(IntEnum):
    """What has to be done to know that a value has arrived as it was sent.

    SAFE: nothing. EQUAL: `==` tells. PLAIN: `==` tells if no time is in it. LOOK: each part has to be looked at.
    """

    SAFE = 0
    EQUAL = 1
    PLAIN = 2
    LOOK = 3


class Kind(msgspec.Struct, frozen=True):
    """An annotation as it is used.

    Attributes:
        form: what is decoded into.
        custom: made by a hook of ours, out of what the decoder knows.
        changed: `form` is not the annotation itself.
        foreign: pydantic makes it.
    """

    form: Any
    trust: Trust = Trust.SAFE
    custom: bool = False
    changed: bool = False
    foreign: bool = False


ANYTHING = Kind(Any, Trust.PLAIN)
_TRUST: dict[Any, Trust] = {
    **dict.fromkeys((NoneType, bool, int, str, bytes, bytearray, memoryview, UUID, date, timedelta), Trust.SAFE),
    **dict.fromkeys((float, Decimal), Trust.EQUAL),
    **dict.fromkeys((datetime, time), Trust.LOOK),
}
#: What the decoder makes by itself.
_CONTAINERS: frozenset[Any] = frozenset({
    list, set, frozenset, tuple, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Set, abc.MutableSet,
    dict, abc.Mapping, abc.MutableMapping,
})  # fmt: skip
#: What is made out of one of those.
_MADE: dict[Any, Any] = {
    abc.Iterable: list, collections.deque: list, collections.OrderedDict: dict, collections.Counter: dict,
}  # fmt: skip
_WRAPPERS: frozenset[Any] = frozenset({
    typing.Required, typing.NotRequired, typing.Final, getattr(typing, "ReadOnly", typing.Final),
})  # fmt: skip
_UNION: Any = typing.Union
_BASES = (str, int, float, bytes)
#: Own types that many others are sent in the form of.
_OFFERED = frozenset({str, int, float, bytes, list, dict, tuple, set, frozenset})
_OWN = EXACT | {NoneType, bool, int, float, str, bytes, list, dict, Path}


class _StandIn(type):
    """The class of stand-ins: whatever a hook makes for one counts as its instance."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True


class Kinds:
    """The annotations of one function; makes the values of those that the decoder does not know."""

    def __init__(self) -> None:
        #: classes whose instances lose nothing on the way
        self.trusted: set[type] = set()
        #: types that a union offers beside each other: a value of the first must not arrive as one of the second
        self.rivals: set[tuple[type, type]] = set()
        self._makers: dict[Any, Callable[[Any], Any]] = {}
        self._reading: set[int] = set()

    def read(self, annotation: Any) -> Kind:
        """What an annotation comes to.

        Raises:
            TypeError: its values can never be sent; says why.
        """
        if annotation is Any or annotation is object:
            return ANYTHING
        inner = unwrapped(annotation)
        if inner is not annotation:
            return self._within(annotation, lambda: self.read(inner))
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            return self._annotated(annotation, arguments)
        if origin is typing.Literal:
            return Kind(annotation)
        if origin is typing.Union or origin is UnionType:
            return self._union(annotation, arguments)
        return self._class(annotation, annotation if origin is None else origin, arguments)

    def make(self, kind: Any, value: Any) -> Any:
        """A value of a kind out of plain data: the `dec_hook` of a decoder."""
        return self._makers[kind](value)

    def _within(self, annotation: Any, read: Callable[[], Kind]) -> Kind:
        """What `read` says; anything where an annotation is met inside of itself."""
        if id(annotation) in self._reading:
            return ANYTHING
        self._reading.add(id(annotation))
        try:
            return read()
        finally:
            self._reading.discard(id(annotation))

    def _annotated(self, annotation: Any, arguments: Sequence[Any]) -> Kind:
        inner, *metas = arguments
        if any(models.is_constraint(meta) for meta in metas):
            return self._validated(annotation)
        kind = self.read(inner)
        held = tuple(meta for meta in metas if isinstance(meta, msgspec.Meta))
        return msgspec.structs.replace(kind, form=typing.Annotated[(kind.form, *held)]) if held else kind

    def _union(self, annotation: Any, arguments: Sequence[Any]) -> Kind:
        kinds = [self.read(argument) for argument in arguments]
        real = [kind for kind in kinds if kind.form is not NoneType]
        if len(real) > 1:
            self._note_rivals(arguments)
        if len(real) > 1 and any(kind.foreign for kind in real):
            return self._validated(annotation)
        form: Any = _UNION[tuple(kind.form for kind in kinds)]
        if len(real) > 1 and all(_own(kind) for kind in real) and not _decodable(form):
            return self._stand_in(lambda value: _first(kinds, value, self.make))
        custom, changed = any(kind.custom for kind in kinds), any(kind.changed for kind in kinds)
        foreign = any(kind.foreign for kind in kinds)
        trust = max(kind.trust for kind in kinds)
        if {set, frozenset} <= {typing.get_origin(kind.form) or kind.form for kind in kinds}:
            trust = Trust.LOOK  # they are equal to each other
        return Kind(form, trust, custom=custom, changed=changed, foreign=foreign)

    def _note_rivals(self, arguments: Sequence[Any]) -> None:
        types = [typing.get_origin(unwrapped(argument)) or unwrapped(argument) for argument in arguments]
        plain = _OFFERED if Any in types or object in types else {kind for kind in types if kind in _OFFERED}
        self.rivals |= {
            (one, other) for one in plain for other in types if isinstance(other, type) and one is not other
        }

    def _class(self, annotation: Any, origin: Any, arguments: Sequence[Any]) -> Kind:
        if (trust := _TRUST.get(origin)) is not None:
            return Kind(origin, trust)
        if origin in _CONTAINERS:
            return self._container(annotation, origin, arguments)
        if origin in _MADE:
            return self._made(annotation, origin, arguments)
        if models.is_kind(origin):
            return self._validated(annotation, direct=not (models.is_dataclass(origin) or models.is_stated(origin)))
        if (record := record_of(origin)) is not None:
            for argument in arguments:
                self.read(argument)
            return self._within(origin, lambda: self._record(annotation, origin, record))
        return self._single(annotation, origin)

    def _container(self, annotation: Any, origin: Any, arguments: Sequence[Any]) -> Kind:
        kinds = [self.read(argument) for argument in arguments if argument is not Ellipsis]
        trust = max((kind.trust for kind in kinds), default=Trust.PLAIN)
        real = [argument for argument in arguments if argument is not Ellipsis]
        if all(kind.form is argument for kind, argument in zip(kinds, real, strict=True)):
            return Kind(annotation, Trust.SAFE if annotation == tuple[()] else trust)
        forms = iter(kinds)
        within = tuple(argument if argument is Ellipsis else next(forms).form for argument in arguments)
        return Kind(origin[within], trust, changed=any(kind.changed for kind in kinds))

    def _made(self, annotation: Any, origin: Any, arguments: Sequence[Any]) -> Kind:
        arguments = (*arguments, int) if origin is collections.Counter and arguments else arguments
        base = _MADE[origin]
        inner = self.read(base[tuple(arguments)] if arguments else base)

        make: Any = list if origin is abc.Iterable else origin
        return self._custom(annotation, lambda value: make(msgspec.convert(value, inner.form, dec_hook=self.make)))

    def _record(self, annotation: Any, origin: type, record: Record) -> Kind:
        kinds = {name: self.read(kind) for name, kind in record.fields.items()}
        if changed := [name for name, kind in kinds.items() if kind.changed]:
            if not record.foreign:
                raise TypeError(
                    f"`{changed[0]}` of {origin.__qualname__} has what only pydantic holds: use msgspec.Meta"
                )
            return self._validated(annotation)
        trust = max((kind.trust for kind in kinds.values()), default=Trust.SAFE)
        if trust is Trust.SAFE and not record.hooked:
            self.trusted.add(origin)
        return Kind(annotation, max(trust, Trust.EQUAL if record.equal and not record.hooked else Trust.LOOK))

    def _single(self, annotation: Any, origin: Any) -> Kind:
        """What is one value: an enum, a path, a subclass of a text or number."""
        kinds = origin.__mro__ if isinstance(origin, type) else ()
        if Enum in kinds:
            return self._enum(origin)
        as_text = texts()
        for base in (*as_text, *_BASES):
            if base in kinds:
                return self._custom(origin, again(origin, str if base in as_text else base))
        raise TypeError(_never(annotation))

    def _enum(self, kind: type[Enum]) -> Kind:
        values = [member.value for member in kind]
        if all(isinstance(value, str) for value in values) or all(isinstance(value, int) for value in values):
            return Kind(kind)
        for value in values:
            exactly(value, plainly)
        return self._stand_in(kind)

    def _validated(self, annotation: Any, *, direct: bool = False) -> Kind:
        """By pydantic; `direct` if what it makes are instances of the annotation itself."""
        validate = models.validating(annotation)
        kind = self._custom(annotation, validate) if direct else self._stand_in(validate)
        return msgspec.structs.replace(kind, foreign=True)

    def _custom(self, annotation: Any, maker: Callable[[Any], Any]) -> Kind:
        self._makers[annotation] = maker
        return Kind(annotation, Trust.LOOK, custom=True)

    def _stand_in(self, maker: Callable[[Any], Any]) -> Kind:
        stand_in = _StandIn("Value", (), {})
        self._makers[stand_in] = maker
        return Kind(stand_in, Trust.LOOK, custom=True, changed=True)


def _own(kind: Kind) -> bool:
    """Whether its values are of one of Python's own types, which their bytes tell apart."""
    return (typing.get_origin(kind.form) or kind.form) in _OWN


def _decodable(form: Any) -> bool:
    try:
        msgspec.msgpack.Decoder(form)
    except TypeError:
        return False
    return True


def _first(kinds: Sequence[Kind], value: Any, make: Callable[[Any, Any], Any]) -> Any:
    """A value of the kind whose type it has already, else of the first that takes it."""
    refused: list[str] = []
    for kind in sorted(kinds, key=lambda kind: (typing.get_origin(kind.form) or kind.form) is not type(value)):
        try:
            return msgspec.convert(value, kind.form, dec_hook=make)
        except msgspec.ValidationError as error:
            refused.append(str(error))
    raise ValueError(refused[0])


def unwrapped(annotation: Any) -> Any:
    """What stands behind a name, a wrapper or a variable; the annotation itself if it is none of them."""
    if annotation is None or annotation is typing.NoReturn or annotation is typing.Never:
        return NoneType
    if annotation is typing.LiteralString:
        return str
    if isinstance(annotation, typing.NewType):
        return annotation.__supertype__
    if isinstance(annotation, typing.TypeVar):
        several = annotation.__constraints__
        return _UNION[several] if several else annotation.__bound__ or Any
    if isinstance(annotation, typing.ParamSpecArgs | typing.ParamSpecKwargs):
        return Any
    return _aliased(annotation)


def _aliased(annotation: Any) -> Any:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in _WRAPPERS:
        return arguments[0]
    alias = annotation if origin is None else origin
    if type(alias).__name__ != "TypeAliasType":
        return annotation
    return alias.__value__[arguments] if arguments else alias.__value__


def _never(annotation: Any) -> str:
    name = getattr(annotation, "__qualname__", None) if isinstance(annotation, type) else None
    return f"{name or annotation} can never be sent: use plain data, a Struct, a dataclass or a pydantic model"
