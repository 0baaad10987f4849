"""Between a function's arguments and bytes: MessagePack, typed by its own annotations, checked on both sides.

The wire form is a map from parameter name to value, so that parameters may be reordered, or added with a default, while
messages of the old form still wait.
"""

import copy
import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from types import GenericAlias, UnionType
from typing import Any

import msgspec

from forebay.flow.snooze import Snooze
from forebay.model.errors import BadArguments, BadResult, ConfigError, text_of
from forebay.produce.context import Context

_KINDS = inspect.Parameter
_VARIABLE = (_KINDS.VAR_POSITIONAL, _KINDS.VAR_KEYWORD)


def _to_wire(value: Any) -> Any:
    """What MessagePack has no form for: pydantic models."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} cannot be sent: use plain data, a Struct, a dataclass or a pydantic model")


def _from_wire(kind: Any, value: Any) -> Any:
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        model: Any = kind
        try:
            return model.model_validate(value)
        except pydantic.ValidationError as error:  # its own text quotes the values, and this one is kept in the open
            wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise ValueError("; ".join(wrong)) from None
    raise TypeError(f"{kind.__name__} cannot be received: use plain data, a Struct, a dataclass or a pydantic model")


_encode = msgspec.msgpack.Encoder(enc_hook=_to_wire).encode
_decode_any = msgspec.msgpack.Decoder().decode


def encode_value(value: Any) -> bytes:
    """Any value as MessagePack.

    Raises:
        BadArguments: it holds something that has no form there.
    """
    try:
        return _encode(value)
    except Exception as error:
        raise BadArguments(f"the payload cannot be encoded: {_plain(error)}") from error


def decode_value(blob: bytes) -> Any:
    """A value back from MessagePack.

    Raises:
        BadArguments: it is not MessagePack.
    """
    try:
        return _decode_any(blob)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadArguments(f"the payload is not MessagePack: {error}") from error


class Codec:
    """The typed form of one function's arguments and result.

    Raises:
        ConfigError: an annotation cannot be resolved, or has no form on the wire.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.signature = inspect.signature(function)
        hints = _hints(name, function)
        self._context = next((p for p in self.signature.parameters if hints.get(p) is Context), None)
        parameters = [p for p in self.signature.parameters.values() if p.name != self._context]
        self._positional = [p for p in parameters if p.kind in (_KINDS.POSITIONAL_ONLY, _KINDS.POSITIONAL_OR_KEYWORD)]
        self._keyword = [p for p in parameters if p.kind is _KINDS.KEYWORD_ONLY]
        self._variable = [p for p in parameters if p.kind in _VARIABLE]
        self._simple = not self._variable and all(p.kind is _KINDS.POSITIONAL_OR_KEYWORD for p in self._positional)
        #: what a producer may give: all but the context
        self.given = self.signature.replace(parameters=parameters)
        self._bound = None if self._simple else self.given
        self._struct = self._arguments(hints)
        self._result_type = _without_snooze(hints.get("return", Any))
        #: whether "nothing" has to be checked against the annotation like any other result
        self.returns_value = self._result_type not in (Any, None, type(None))
        try:
            self._decode = msgspec.msgpack.Decoder(self._struct, dec_hook=_from_wire).decode
            self._decode_result = msgspec.msgpack.Decoder(self._result_type, dec_hook=_from_wire).decode
        except TypeError as error:
            raise ConfigError(f"task {name}: an annotation has no form on the wire: {error}") from error

    def _arguments(self, hints: Mapping[str, Any]) -> type[msgspec.Struct]:
        positional = [_field(p, hints) for p in self._positional]
        base = msgspec.defstruct("Arguments", positional, forbid_unknown_fields=True)
        named = [_field(p, hints) for p in (*self._keyword, *self._variable)]
        return msgspec.defstruct("Arguments", named, bases=(base,), kw_only=True) if named else base

    def open_after(self, count: int) -> frozenset[str]:
        """The names of the parameters that `count` positional arguments leave to be given by name."""
        by_name = (p for p in self._positional[count:] if p.kind is _KINDS.POSITIONAL_OR_KEYWORD)
        return frozenset(p.name for p in (*by_name, *self._keyword))

    def encode(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """The body for one call.

        Raises:
            BadArguments: they do not fit the signature or the annotations.
        """
        try:
            body = _encode(self._bind(args, kwargs))
            self._decode(body)
        except Exception as error:
            raise BadArguments(f"task {self.name}: {_plain(error)}; it takes {self.signature}") from error
        return body

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> msgspec.Struct:
        if self._bound is None:
            return self._struct(*args, **kwargs)
        bound = self._bound.bind(*args, **kwargs)
        return self._struct(**bound.arguments)

    def inject(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], context: Context
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The arguments with the context where the function wants it, if it wants it."""
        if self._context is None:
            return args, kwargs
        if self.signature.parameters[self._context].kind is _KINDS.KEYWORD_ONLY:
            return args, {**kwargs, self._context: context}
        place = list(self.signature.parameters).index(self._context)
        return (*args[:place], context, *args[place:]), kwargs

    def decode(self, body: bytes) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Positional and keyword arguments from a body.

        Raises:
            BadArguments: the body does not fit.
        """
        try:
            arguments = self._decode(body)
        except Exception as error:
            raise BadArguments(f"task {self.name}: {_plain(error)}; it takes {self.signature}") from error
        if self._simple and not self._keyword:
            return msgspec.structs.astuple(arguments), {}
        positional = [getattr(arguments, p.name) for p in self._positional]
        keyword = {p.name: getattr(arguments, p.name) for p in self._keyword}
        for p in self._variable:
            if p.kind is _KINDS.VAR_POSITIONAL:
                positional += getattr(arguments, p.name)
            else:
                keyword |= getattr(arguments, p.name)
        return positional, keyword

    def encode_result(self, value: Any) -> bytes:
        """The result's bytes.

        Raises:
            BadResult: it cannot be encoded, or is not of the annotated type.
        """
        try:
            blob = _encode(value)
            if self._result_type is not Any:
                self._decode_result(blob)
        except Exception as error:
            raise BadResult(f"task {self.name}: its result is not usable: {_plain(error)}") from error
        return blob

    def decode_result(self, blob: bytes) -> Any:
        """The result, as the task's return type.

        Raises:
            BadResult: it is of another type (the task changed meanwhile).
        """
        try:
            return self._decode_result(blob)
        except Exception as error:
            raise BadResult(f"task {self.name}: the stored result does not fit: {_plain(error)}") from error


def _plain(error: Exception) -> str:
    """Without the words of our internal struct, which say nothing to a user. Their validators may raise anything."""
    kind = "" if isinstance(error, TypeError | ValueError | RecursionError) else f"{type(error).__name__}: "
    text = text_of(error).replace("Object contains unknown field", "unknown argument")
    return kind + text.replace("Arguments.__init__() ", "").replace("Arguments() ", "")


def _hints(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise ConfigError(f"task {name}: its annotations cannot be resolved here: {error}") from error
    return {parameter: Any if kind is object else kind for parameter, kind in hints.items()}


def _without_snooze(kind: Any) -> Any:
    """A return annotation without `Snooze`, which is a way to end and never a result."""
    if kind is Snooze:
        return None
    if typing.get_origin(kind) in {typing.Union, UnionType}:
        return typing.Union[tuple(part for part in typing.get_args(kind) if part is not Snooze)]  # noqa: UP007
    return kind


def _field(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    kind = hints.get(parameter.name, Any)
    if parameter.kind is _KINDS.VAR_POSITIONAL:
        return parameter.name, GenericAlias(list, (kind,)), msgspec.field(default_factory=list)
    if parameter.kind is _KINDS.VAR_KEYWORD:
        return parameter.name, GenericAlias(dict, (str, kind)), msgspec.field(default_factory=dict)
    if parameter.default is parameter.empty:
        return parameter.name, kind
    if isinstance(parameter.default, list | dict | set | bytearray):
        return parameter.name, kind, msgspec.field(default_factory=lambda: copy.deepcopy(parameter.default))
    return parameter.name, kind, parameter.default
