"""From the client's and the server's errors to ours; each says what to do next, and none shows a secret."""

from redis.exceptions import ResponseError

from forebay.model.errors import ConfigError, EngineError, EngineFull, EngineRefused, EngineUnreachable, OutcomeUnknown

#: Words that an error of the server begins with when it has done nothing, and another moment or node may do it.
PASSING = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "BUSY", "NOREPLICAS")
_MOVING = "its slot is being moved to another node", "wait until that is done"
#: What such an error means, and what to do about it.
_WHY = {
    "LOADING": ("it is loading its data", "wait until it has started"),
    "READONLY": (
        "it is a replica and takes no writes", "give the URL of the primary, unless a failover is under way",
    ),
    "MASTERDOWN": ("its primary is down", "start the primary, or make this one the primary"),
    "CLUSTERDOWN": ("its cluster is down", "look at the nodes of the cluster"),
    "TRYAGAIN": _MOVING, "ASK": _MOVING,
    "BUSY": ("a script holds it up", "let it end, or stop it with SCRIPT KILL"),
    "NOREPLICAS": (
        "it has fewer replicas than it wants before it takes writes", "start replicas, or lower min-replicas-to-write",
    ),
}  # fmt: skip
_DENIED = {
    "NOAUTH": ("it asks for a password", "write it into the URL, redis://user:password@host"),
    "WRONGPASS": ("it does not take this user and password", "correct them in the URL"),
    "NOPERM": ("this user may not do that", "give it ~{namespace}:* &{namespace}:* +@all -@dangerous +info"),
}
#: What a server says to a script that is refused one of its commands, as a right was taken away meanwhile.
_IN_A_SCRIPT = "The user executing the script can't"
#: Words of the client about a connection that the server ends at once.
_CUT = {"closed", "reset"}
_NO_ANSWER = "it does not answer", "is the server up? start it, or correct host and port in the URL"
_TLS = (
    "the way to it is not safe",
    "name the certificate that signed the server's (?ssl_ca_certs=FILE), or say redis:// if it has no TLS",
)
_NAME = (
    "its certificate is for another name",
    "write the host as the certificate names it, or have one made for this name",
)
_DATE = "its certificate is not valid today", "have it renewed, or set this host's clock right"
_OURS = (
    "it does not take our certificate",
    "name one of an authority that it trusts, for today, and its key (?ssl_certfile=FILE&ssl_keyfile=FILE)",
)
_CROWDED = "it has no connection free", "run fewer processes, or raise maxclients"
_NOBODY = "its name is not known", "correct the host in the URL"


class Evicting(EngineRefused, ConfigError):
    """The server throws away what it holds when its memory is full."""


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
    if _IN_A_SCRIPT in str(error):
        return "NOPERM"
    first = str(error).partition(" ")[0].rstrip(":")
    return kind or (first if first.isupper() and first != "ERR" else "")


def node(moved: str) -> tuple[str, int] | None:
    """Where a node of a cluster sends us: `MOVED 3999 127.0.0.1:6381`; None if it does not say."""
    host, _, port = moved.rpartition(" ")[2].rpartition(":")
    return (host, int(port)) if host and port.isdigit() else None


def unreachable(place: str, error: BaseException | None, *, unknown: bool = False) -> EngineError:
    """Nobody answered in time; `unknown` if a publish may have been carried out all the same."""
    why, advice = _meaning(error)
    if advice == _NO_ANSWER[1] and place.startswith("rediss:"):
        advice += "; if it has no TLS, write redis://"
        if "EOF" in str(error) or "ALERT" in str(error) or _CUT & {*str(error).split()}:
            advice += "; if it wants a certificate of yours, ?ssl_certfile=FILE&ssl_keyfile=FILE"
    elif advice == _NO_ANSWER[1] and place.startswith("redis:") and _CUT & {*str(error).split()}:
        advice += "; if it has TLS, write rediss://"
    said = f"{why} ({_said(error)})" if error is not None else why
    if unknown:
        return _caused(OutcomeUnknown(f"{place}: {said}: publish again with the same id, which is taken once"), error)
    kind = EngineRefused if (why, advice) in (_TLS, _NAME, _DATE, _OURS) else EngineUnreachable
    return _caused(kind(f"{place}: {said}", advice), error)


def _meaning(error: BaseException | None) -> tuple[str, str]:
    text = str(error)
    if error is not None and (known := _WHY.get(word(error))):
        return known
    if "max number of clients" in text:
        return _CROWDED
    if "_ALERT_" in text and ("CERTIFICATE" in text or "UNKNOWN_CA" in text):  # told by the server
        return _OURS
    if "certificate" in text or "WRONG_VERSION_NUMBER" in text:
        return _NAME if "mismatch" in text else _DATE if "expired" in text or "not yet valid" in text else _TLS
    return _NOBODY if "Name or service" in text or "name resolution" in text else _NO_ANSWER


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
        why, advice = _DENIED[kind]
        return _caused(EngineRefused(f"{place}: {why} ({_said(error)})", advice), error)
    if "DB index is out of range" in str(error):
        why = f"{place}: it has no database of that number ({_said(error)})"
        return _caused(EngineRefused(why, "correct it in the URL, redis://host:6379/0, or raise `databases`"), error)
    if "SELECT is not allowed in cluster mode" in str(error):
        why = f"{place}: it is a cluster, which has one database ({_said(error)})"
        return _caused(EngineRefused(why, "end the URL in /0, and part apps by namespace="), error)
    if is_renamed(error):
        why = f"{place}: it does not know a command that Forebay needs ({_said(error).partition(', with args')[0]})"
        advice = "take `rename-command` out of its configuration, an ACL does the same better; or use another server"
        return _caused(EngineRefused(why, advice), error)
    why = {
        "MISCONF": "it cannot write to its disk and takes no changes: free some space there, and look at its log",
        "WRONGTYPE": f"something else has written to a key of ours ({_said(error)}): `forebay doctor` says to which",
    }.get(kind, f"the server says: {_said(error)}")
    return _caused(EngineError(f"{place}: {why}"), error)


def is_final(error: BaseException) -> bool:
    """Whether trying again is of no use: the server has answered, and will answer the same."""
    kind = word(error)
    return kind in _DENIED or (isinstance(error, ResponseError) and kind not in PASSING)


def is_renamed(error: BaseException) -> bool:
    """Whether the server does not know a command, by its name or within a script: somebody has taken it away."""
    text = str(error).lower()
    return "unknown command" in text or "unknown redis command" in text


def _said(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _caused(ours: EngineError, error: BaseException | None) -> EngineError:
    ours.__cause__ = error
    return ours


__all__ = ["PASSING", "Evicting", "ResponseError", "is_final", "is_renamed", "refused", "unreachable", "word"]
