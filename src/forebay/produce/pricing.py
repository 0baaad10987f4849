"""What a call costs, and which key of its provider it uses: read from its arguments when it is enqueued."""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from inspect import BoundArguments, Parameter, Signature, signature
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from forebay.model.delivery import Delivery
from forebay.model.errors import BadArguments, ConfigError
from forebay.model.message import Message
from forebay.model.provider import keyed, meter_of
from forebay.model.sealed import Part

if TYPE_CHECKING:
    from forebay.produce.task import Task

#: What a call takes from a rate: a number, or a function of its arguments that answers one.
Cost = float | Callable[..., float]
_PLAIN = re.compile(r"[A-Za-z0-9._@-]{1,64}")
#: The largest that an engine counts.
_MOST = 1e12


def check_cost(task: "Task[Any, Any, Any]") -> None:
    """Whether a task's `cost=` can be called with the arguments of its calls, as far as its signature says.

    Raises:
        ConfigError: it can not, whatever the arguments are.
    """
    cost, given = task.running.cost, task.codec.given
    if not callable(cost):
        return
    try:
        takes = signature(cost)
    except (TypeError, ValueError):  # a builtin that does not say: it is found out with the first call
        return
    args, named = _handed(given)
    try:
        takes.bind(*args, **named)
    except TypeError as error:
        raise ConfigError(
            f"task {task.name}: cost= is called with the arguments of a call by name ({', '.join(given.parameters)}), "
            f"and cannot be: {error}; write it as `lambda prompt, **_: len(prompt)`"
        ) from None


def _handed(given: Signature) -> tuple[list[None], dict[str, None]]:
    """One argument for each parameter of a task, in the form in which `_called` hands them over."""
    kinds = {name: parameter.kind for name, parameter in given.parameters.items()}
    placed = Parameter.VAR_POSITIONAL in kinds.values()
    first = {Parameter.POSITIONAL_ONLY, *([Parameter.POSITIONAL_OR_KEYWORD] if placed else [])}
    elsewhere = {*first, Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}
    return [None for kind in kinds.values() if kind in first], {
        name: None for name, kind in kinds.items() if kind not in elsewhere
    }


def priced(task: "Task[Any, Any, Any]", messages: Sequence[Message], bodies: Sequence[bytes]) -> list[Message]:
    """These messages of a task, with what their arguments say of their cost and key.

    Raises:
        BadArguments: the cost is no number, or there is no key.
    """
    return [_priced(task, message, body) for message, body in zip(messages, bodies, strict=True)]


def home(task: "Task[Any, Any, Any]", delivery: Delivery) -> str:
    """The lane in which a producer of this version puts a message like this one."""
    lane: str = task.way[0]
    if task.running.provider_key is None:
        return lane
    try:
        seal = task.producer.seal
        body = delivery.body if seal is None else seal.open(Part.BODY, delivery, delivery.body)
        message = Message(id=delivery.id, queue=delivery.queue, task=delivery.task, lane=lane)
        return priced(task, [message], [body])[0].lane
    except Exception:  # noqa: BLE001 - what cannot be read finds its end where it is run
        return lane


def price(task: "Task[Any, Any, Any]", args: Sequence[Any], kwargs: Mapping[str, Any]) -> float:
    """What a call was taken to cost when it was enqueued; 1 if that cannot be told."""
    cost = task.running.cost
    if cost is None or not callable(cost):
        return 1.0 if cost is None else float(cost)
    try:
        bound = task.codec.given.bind(*args, **kwargs)
        bound.apply_defaults()
        return _number(task.name, _asked(task.name, cost, bound))
    except Exception:  # noqa: BLE001 - it is theirs, and what has run has run
        return 1.0


def _priced(task: "Task[Any, Any, Any]", message: Message, body: bytes) -> Message:
    args, kwargs = task.codec.decode(body)
    bound = task.codec.given.bind(*args, **kwargs)
    bound.apply_defaults()
    cost, key = task.running.cost, task.running.provider_key
    if cost is not None:
        message = replace(message, cost=_number(task.name, _asked(task.name, cost, bound) if callable(cost) else cost))
    if key is not None:
        slug = _slug(task.name, bound.arguments[key])
        own = keyed(meter_of(task.running.provider or ""), slug)
        message = replace(message, lane=keyed(message.lane, slug), meters=(*message.meters, own))
    return message


def _asked(task: str, cost: Callable[..., float], bound: BoundArguments) -> float:
    """What a function says of a call; what it raises is an error of the call, which has not been sent."""
    try:
        return _called(cost, bound)
    except Exception as error:
        raise BadArguments(f"task {task}: cost= failed for this call: {type(error).__name__}: {error}") from error


def _called(cost: Callable[..., float], bound: BoundArguments) -> float:
    """Its answer; it is given all arguments by name that have one: `lambda prompt, **_: …`."""
    kinds = {name: parameter.kind for name, parameter in bound.signature.parameters.items()}
    if Parameter.VAR_POSITIONAL in kinds.values():
        return cost(*bound.args, **bound.kwargs)
    named = {name: value for name, value in bound.arguments.items() if kinds[name] is not Parameter.POSITIONAL_ONLY}
    more: dict[str, Any] = {}
    for name in [name for name in named if kinds[name] is Parameter.VAR_KEYWORD]:
        more = named.pop(name)
    return cost(
        *[value for name, value in bound.arguments.items() if kinds[name] is Parameter.POSITIONAL_ONLY], **named, **more
    )


def _number(task: str, said: object) -> float:
    fits = isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said <= _MOST
    if not fits:
        raise BadArguments(f"task {task}: cost= answered {said!r:.100}: it is a number from 0 to {_MOST:,.0f}")
    return float(said)  # type: ignore[arg-type]


def _slug(task: str, key: object) -> str:
    """A key as a part of a lane's name; one that is long, or odd, or may be a secret, by its hash."""
    text = str(key)
    if key is None or not text:
        raise BadArguments(f"task {task}: the argument that is its provider_key is {key!r}: it names an account or key")
    return text if _PLAIN.fullmatch(text) else blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
