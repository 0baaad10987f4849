"""From the client's and the server's errors to ours; each says what to do next, and none shows a secret."""

from redis.exceptions import ResponseError

from forebay.model.errors import EngineError, EngineFull, EngineUnreachable, OutcomeUnknown

#: Words that an error of the server begins with when it has done nothing, and another moment or node may do it.
PASSING = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "BUSY", "NOREPLICAS")
_WHY = {
    "LOADING": "it is loading its data",
    "READONLY": "it is a replica and takes no writes: is a failover under way, or does the URL name a replica?",
    "MASTERDOWN": "its primary is down",
    "CLUSTERDOWN": "its cluster is down",
    "BUSY": "a script holds it up",
    "NOREPLICAS": "it has fewer replicas than it wants before it takes writes (min-replicas-to-write)",
}
_DENIED = {
    "NOAUTH": "it asks for a password: write it into the URL, redis://user:password@host",
    "WRONGPASS": "it does not take this user and password: correct them in the URL",
    "NOPERM": "this user may not do that: give it ~{namespace}:* &{namespace}:* +@all -@dangerous +info",
}


def word(error: BaseException) -> str:
    """The first word of an error of the server, which says what kind it is; "" for other errors.

    The client takes some of those words off and makes them classes.
    """
    kinds = {
        "BusyLoadingError": "LOADING", "ReadOnlyError": "READONLY", "NoScriptError": "NOSCRIPT",
        "OutOfMemoryError": "OOM", "MasterDownError": "MASTERDOWN", "ClusterDownError": "CLUSTERDOWN",
        "TryAgainError": "TRYAGAIN", "MovedError": "MOVED", "AskError": "ASK", "NoPermissionError": "NOPERM",
        "AuthenticationError": "NOAUTH", "AuthenticationWrongNumberOfArgsError": "NOAUTH",
    }  # fmt: skip
    kind = kinds.get(type(error).__name__, "")
    if kind == "NOAUTH" and "Authentication required" not in str(error):
        return "WRONGPASS"
    first = str(error).partition(" ")[0].rstrip(":")
    return kind or (first if first.isupper() and first != "ERR" else "")


def unreachable(place: str, error: BaseException | None, *, unknown: bool = False) -> EngineError:
    """Nobody answered in time; `unknown` if a publish may have been carried out all the same."""
    why = _WHY.get(word(error), "") if error is not None else ""
    said = f"{why or 'it does not answer'} ({_said(error)})" if error is not None else "it does not answer"
    if unknown:
        return _caused(OutcomeUnknown(f"{place}: {said}: publish again with the same id, which is taken once"), error)
    return _caused(EngineUnreachable(f"{place}: {said}: is the server up, and is this its address?"), error)


def refused(place: str, error: BaseException) -> EngineError:
    """Our error for what the server answered and will answer again."""
    kind = word(error)
    if kind == "OOM":
        return _caused(
            EngineFull(
                f"{place}: no room: the server is at its maxmemory; accepted messages are safe and can be settled; "
                "raise maxmemory, or let the workers catch up"
            ),
            error,
        )
    if kind in _DENIED:
        return _caused(EngineUnreachable(f"{place}: {_DENIED[kind]} ({_said(error)})"), error)
    if kind == "MISCONF":
        return _caused(
            EngineError(
                f"{place}: it cannot write to its disk and takes no changes: free some space there, and look at its log"
            ),
            error,
        )
    return _caused(EngineError(f"{place}: the server says: {_said(error)}"), error)


def is_final(error: BaseException) -> bool:
    """Whether trying again is of no use: the server has answered, and will answer the same."""
    kind = word(error)
    return kind in _DENIED or (isinstance(error, ResponseError) and kind not in PASSING)


def _said(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _caused(ours: EngineError, error: BaseException | None) -> EngineError:
    ours.__cause__ = error
    return ours


__all__ = ["PASSING", "ResponseError", "is_final", "refused", "unreachable", "word"]
