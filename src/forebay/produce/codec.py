"""Between a function's arguments and bytes: MessagePack, typed by its own annotations, checked on both sides.

The wire form is a map from parameter name to value, so that parameters may be reordered, or added with a default, while
messages of the old form still wait. What arrives equals what was sent, or it is refused; see `way`.
"""

import copy
import inspect
import logging
import typing
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from types import NoneType
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple

from forebay.model.errors import BadArguments, BadResult, ConfigError, text_of
from forebay.model.wire import unpack
from forebay.produce.context import Context
from forebay.produce.kinds import Kind, Kinds
from forebay.produce.narrow import narrowed
from forebay.produce.records import field_names
from forebay.produce.signature import Signature
from forebay.produce.way import ANY_WAY, Watch, Way, single

_logger = logging.getLogger("forebay.worker")
_KINDS = inspect.Parameter
_VARIABLE = (_KINDS.VAR_POSITIONAL, _KINDS.VAR_KEYWORD)
_MUTABLE = (list, dict, set, bytearray)
#: What msgspec says of a key that nothing stands for.
_UNKNOWN = "Object contains unknown field"
#: What it says of what another version may know: that, a member of an enum or Literal, a class of a union.
_NEWER = (_UNKNOWN, "Invalid enum value", "Invalid value '")
_ATOMS = (NoneType, bool, int, float, str, bytes)


def encode_value(value: Any) -> bytes:
    """Any value as bytes: one of Python's own types arrives equal, an instance of another class in its plain form.

    Raises:
        BadArguments: it holds something that has no form there.
    """
    try:
        return ANY_WAY.encode(value)
    except Exception as error:
        raise BadArguments(f"the payload cannot be encoded: {_plain(error)}") from error


def decode_value(blob: bytes) -> Any:
    """A value back from bytes.

    Raises:
        BadArguments: they are not MessagePack.
    """
    try:
        return unpack(blob)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise BadArguments(f"the payload is not MessagePack: {error}") from error


class Unfamiliar(BadArguments):
    """A body holds an argument, or a choice in one, that this version of the task does not have: another one may."""


class Codec:
    """The typed form of one function's arguments and result.

    Raises:
        ConfigError: the function could never be a task, or an annotation can never be sent.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name, self._kinds = name, Kinds()
        read = Signature(name, function)
        self.signature, self.context = read.whole, read.context
        self._positional = [
            p for p in read.parameters if p.kind in {_KINDS.POSITIONAL_ONLY, _KINDS.POSITIONAL_OR_KEYWORD}
        ]
        self._keyword = [p for p in read.parameters if p.kind is _KINDS.KEYWORD_ONLY]
        self._variable = [p for p in read.parameters if p.kind in _VARIABLE]
        self._simple = not self._variable and all(p.kind is _KINDS.POSITIONAL_OR_KEYWORD for p in self._positional)
        self._only_positional = self._simple and not self._keyword
        #: what a producer may give: all but the context
        self.given = self.signature.replace(parameters=read.parameters)
        #: defaults that do not travel: each run takes its own
        self._kept: dict[str, Any] = {}
        self._ways: dict[str, Way] = {}
        self._struct, self._arguments = self._read_arguments(read)
        self._bind: Callable[..., msgspec.Struct] = self._struct if self._simple and not self._kept else self._bound
        returns = self._kind(read.returns, "its result")
        #: whether "nothing" has to be checked against the annotation like any other result
        self.returns_value = read.returns not in (Any, None, NoneType)
        self._result = self._way(lambda: single(returns, self._kinds), "its result")
        self._returns, self._told = read.returns, False

    def _read_arguments(self, read: Signature) -> tuple[type[msgspec.Struct], Way]:
        kinds = {p.name: self._parameter(p, read.annotation(p)) for p in read.parameters}
        positional = [self._field(p, kinds[p.name]) for p in self._positional]
        base = msgspec.defstruct("Arguments", positional, forbid_unknown_fields=True)
        named = [self._field(p, kinds[p.name]) for p in (*self._keyword, *self._variable)]
        form = msgspec.defstruct("Arguments", named, bases=(base,), kw_only=True) if named else base
        watched = [Watch(attrgetter(name), kind.trust, f"$.{name}") for name, kind in kinds.items() if kind.trust]
        return form, self._way(lambda: Way(form, self._kinds, watched), "its arguments")

    def _parameter(self, parameter: inspect.Parameter, annotation: Any) -> Kind:
        """The kind of the field that holds a parameter."""
        where = f"`{parameter.name}`"
        if parameter.kind is _KINDS.VAR_POSITIONAL:
            annotation = _unpacked(annotation) or list.__class_getitem__(annotation)
        elif parameter.kind is _KINDS.VAR_KEYWORD:
            annotation = _unpacked(annotation) or dict.__class_getitem__((str, annotation))
        kind = self._kind(annotation, where)
        way = self._ways[parameter.name] = self._way(lambda: single(kind, self._kinds, where, plain=False), where)
        if parameter.default is parameter.empty or _travels(way, parameter.default):
            return kind
        self._kept[parameter.name] = parameter.default
        return msgspec.structs.replace(kind, form=typing.cast("Any", typing.Union)[kind.form, UnsetType])

    def _field(self, parameter: inspect.Parameter, kind: Kind) -> Any:
        name, default = parameter.name, parameter.default
        if parameter.kind is _KINDS.VAR_POSITIONAL:
            return name, kind.form, msgspec.field(default_factory=list)
        if parameter.kind is _KINDS.VAR_KEYWORD:
            return name, kind.form, msgspec.field(default_factory=dict)
        if default is parameter.empty:
            return name, kind.form
        if name in self._kept:
            return name, kind.form, UNSET
        if isinstance(default, _ATOMS):
            return name, kind.form, default
        return name, kind.form, msgspec.field(default_factory=lambda: copy.deepcopy(default))

    def _kind(self, annotation: Any, where: str) -> Kind:
        try:
            return self._kinds.read(annotation)
        except (TypeError, RecursionError) as error:
            raise ConfigError(f"task {self.name}: {where}: {error}") from error

    def _way(self, make: Callable[[], Way], where: str) -> Way:
        try:
            return make()
        except TypeError as error:
            raise ConfigError(f"task {self.name}: {where}: an annotation has no form on the wire: {error}") from error

    def open_after(self, count: int) -> frozenset[str]:
        """The names of the parameters that `count` positional arguments leave to be given by name."""
        by_name = (p for p in self._positional[count:] if p.kind is _KINDS.POSITIONAL_OR_KEYWORD)
        return frozenset(p.name for p in (*by_name, *self._keyword))

    def encode(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """The body for one call.

        Raises:
            BadArguments: they do not fit the signature or the annotations, or would not arrive as they are.
        """
        try:
            return self._arguments.encode(self._bind(*args, **kwargs))
        except Exception as error:
            raise self._misfit(error) from error

    def _bound(self, /, *args: Any, **kwargs: Any) -> msgspec.Struct:
        sent = self._struct(**self.given.bind(*args, **kwargs).arguments)
        for name, default in self._kept.items():
            if getattr(sent, name) is default:
                setattr(sent, name, UNSET)
        return sent

    def inject(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], context: Context
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The arguments with the context where the function wants it, if it wants it."""
        if self.context is None:
            return args, kwargs
        if self.signature.parameters[self.context].kind is _KINDS.KEYWORD_ONLY:
            return args, {**kwargs, self.context: context}
        place = list(self.signature.parameters).index(self.context)
        return (*args[:place], context, *args[place:]), kwargs

    def decode(self, body: bytes) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Positional and keyword arguments from a body.

        Raises:
            Unfamiliar: the body holds more than this version of the task takes.
            BadArguments: it does not fit.
        """
        try:  # the plainest form, without a call more: this is done for each message
            arguments = self._arguments.native(body)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is read once more, with care
            arguments = self._read(body)
        if self._kept:
            self._fill(arguments)
        if self._only_positional:
            return astuple(arguments), {}
        positional = [getattr(arguments, p.name) for p in self._positional]
        keyword = {p.name: getattr(arguments, p.name) for p in self._keyword}
        for p in self._variable:
            if p.kind is _KINDS.VAR_POSITIONAL:
                positional += getattr(arguments, p.name)
            else:
                keyword |= getattr(arguments, p.name)
        return positional, keyword

    def named(self, body: bytes) -> dict[str, Any]:
        """The arguments by name, from a body. See `decode` for the errors."""
        return msgspec.structs.asdict(self._read(body))

    def received(self, name: str, value: Any) -> Any:
        """One argument as the task would get it. See `encode` for the errors."""
        try:
            way = self._ways[name]
            return way.decode(way.encode(value))
        except Exception as error:
            raise self._misfit(error) from error

    def _read(self, body: bytes) -> Any:
        try:
            arguments = self._arguments.decode(body)
        except Exception as error:
            misfit = self._misfit(error)
            raise (Unfamiliar(*misfit.args) if _is_newer(text_of(error)) else misfit) from error
        self._fill(arguments)
        return arguments

    def _fill(self, arguments: Any) -> None:
        """Defaults that do not travel, where nothing came."""
        for name, default in self._kept.items():
            if getattr(arguments, name) is UNSET:
                setattr(arguments, name, _fresh(default))

    def _misfit(self, error: Exception) -> BadArguments:
        return BadArguments(f"task {self.name}: {_plain(error)}; it takes {self.given}")

    def encode_result(self, value: Any) -> bytes:
        """The result's bytes. What the annotation does not know of it is left out, with a warning at the first time.

        Raises:
            BadResult: it cannot be encoded, or is not of the annotated type.
        """
        try:
            return self._result.encode(value)
        except Exception as error:
            blob = self._narrowed(value)
            if blob is None:
                raise BadResult(f"task {self.name}: its result is not usable: {_plain(error)}") from error
            if not self._told:
                self._told = True
                text = "task %s: its result holds more than its return annotation says, which is left out: %s"
                _logger.warning(text, self.name, _plain(error))
            return blob

    def _narrowed(self, value: Any) -> bytes | None:
        """The result as its annotation promises it; None if it is nothing of that kind."""
        try:
            return self._result.encode(narrowed(value, self._returns))
        except Exception:  # noqa: BLE001 - what was wrong with it as it is says more
            return None

    def decode_result(self, blob: bytes) -> Any:
        """The result, as the task's return type.

        Raises:
            BadResult: it is of another type (the task changed meanwhile).
        """
        try:
            return self._result.decode(blob)
        except Exception as error:
            raise BadResult(f"task {self.name}: the stored result does not fit: {_plain(error)}") from error


def _is_newer(text: str) -> bool:
    """Whether what is wrong may be right in another version."""
    return any(part in text for part in _NEWER)


def _fresh(default: Any) -> Any:
    """A default of its own for each run, if it is one that a run could change; a mere mark is what it is."""
    kind = default.__class__
    return copy.deepcopy(default) if issubclass(kind, _MUTABLE) or field_names(kind) else default


def _travels(way: Way, default: Any) -> bool:
    try:
        way.encode(default)
    except Exception:  # noqa: BLE001 - a default may be anything
        return False
    return True


def _unpacked(annotation: Any) -> Any:
    """The annotation of all variable arguments together, from `*args: *tuple[…]` or `**kwargs: Unpack[…]`."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Unpack:
        return arguments[0]
    return tuple.__class_getitem__(arguments) if getattr(annotation, "__unpacked__", False) else None


def _plain(error: Exception) -> str:
    """Without the words of our internal struct, which say nothing to a user. Their validators may raise anything."""
    kind = "" if isinstance(error, TypeError | ValueError | RecursionError) else f"{type(error).__name__}: "
    text = text_of(error).replace(_UNKNOWN, "unknown argument")
    return kind + text.replace("Arguments.__init__() ", "").replace("Arguments() ", "")
