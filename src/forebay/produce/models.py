"""What is pydantic's: models, dataclasses, secrets, constraints, as what they hold and back. Optional, and never loaded
before somebody else has.

Fields travel by their names with the values they have; aliases, serializers and computed fields have no say, so that
what is made again can be compared with what was sent. Making it again is validation, by the model's own rules.
"""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

NOTHING: Any = object()
_HOOK = "__get_pydantic_core_schema__"
#: Whose metadata in an `Annotated` are constraints, that somebody has to hold.
_OWNERS = frozenset({"pydantic", "pydantic_core", "pydantic_extra_types", "annotated_types"})


def is_kind(kind: Any) -> bool:
    """Whether a class is one that pydantic makes instances of."""
    return hasattr(kind, _HOOK) or is_dataclass(kind)


def is_dataclass(kind: Any) -> bool:
    """Whether a class is a dataclass of pydantic's making."""
    return hasattr(kind, "__pydantic_validator__") and dataclasses.is_dataclass(kind)


def is_stated(kind: Any) -> bool:
    """Whether a class of pydantic's only stands for a check, so that no value is ever its instance: `EmailStr`."""
    real = issubclass(kind, str | int | float | bytes) or hasattr(kind, "get_secret_value")
    return kind.__module__.partition(".")[0] in _OWNERS and not real and not hasattr(kind, "unicode_string")


def is_constraint(meta: Any) -> bool:
    """Whether something in an `Annotated` is to be held by pydantic."""
    kinds = meta.__mro__ if isinstance(meta, type) else type(meta).__mro__
    return hasattr(meta, _HOOK) or any(kind.__module__.partition(".")[0] in _OWNERS for kind in kinds)


def validating(annotation: Any) -> Callable[[Any], Any]:
    """A function from plain data to a valid value.

    Raises:
        TypeError: pydantic cannot make one, or is not there.
    """
    try:
        import pydantic

        adapter: Any = pydantic.TypeAdapter(annotation)
    except ImportError as error:
        raise TypeError(f"it needs pydantic, or use msgspec.Meta: {error}") from None
    except Exception as error:
        raise TypeError(f"pydantic cannot check it: {str(error).splitlines()[0]}") from error

    def validate(value: Any) -> Any:
        try:
            return adapter.validate_python(value, by_alias=True, by_name=True)
        except pydantic.ValidationError as error:
            first = error
        try:  # a strict model takes the plain forms of its fields only from what says that it is JSON
            return adapter.validate_json(pydantic.TypeAdapter(Any).dump_json(value), by_alias=True, by_name=True)
        except ValueError:
            raise ValueError(_wrong(first)) from None

    return validate


def _wrong(error: Any) -> str:
    """What is wrong, without the values, which its own text quotes: this one is kept in the open."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(": ".join(filter(None, (".".join(map(str, one["loc"])), one["msg"]))) for one in found)


def plainly(value: Any, *, whole: bool) -> Any:
    """What an instance holds, one level deep; `NOTHING` if it is not pydantic's.

    Args:
        whole: with the fields that nobody set. They are left out otherwise, and stay unset where it arrives.
    """
    pydantic: Any = sys.modules.get("pydantic")
    if pydantic is None or not is_kind(type(value)):
        return NOTHING
    if isinstance(value, pydantic.RootModel):
        return value.root
    if isinstance(value, pydantic.BaseModel):
        return _model(value, whole=whole)
    if isinstance(value, pydantic.SecretStr | pydantic.SecretBytes | pydantic.Secret):
        return value.get_secret_value()
    if is_dataclass(type(value)):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    return pydantic.TypeAdapter(type(value)).dump_python(value, mode="json", round_trip=True)


def parts(value: Any) -> dict[str, Any] | None:
    """All that tells two instances of one model apart, its private attributes too; None if it is no model."""
    pydantic: Any = sys.modules.get("pydantic")
    if pydantic is None or not isinstance(value, pydantic.BaseModel):
        return None
    model: Any = value
    return {**_fields(model), **(model.__pydantic_extra__ or {}), **(model.__pydantic_private__ or {})}


def _model(model: Any, *, whole: bool) -> dict[str, Any]:
    chosen = model.__dict__ if whole else model.model_fields_set
    fields = {name: item for name, item in _fields(model).items() if name in chosen}
    return {**fields, **(model.__pydantic_extra__ or {})}


def _fields(model: Any) -> dict[str, Any]:
    values: dict[str, Any] = model.__dict__
    return {name: values[name] for name in model.__class__.model_fields if name in values}
