"""From a URL to how a server is reached: host, user, TLS, and every time limit. Connects to nothing.

What a URL may say is listed here; all else is refused, for it would be dropped or would change what the engine counts
on (the protocol's version, retries of the client's own). No secret leaves it.
"""

import logging
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, urlsplit

from redis import connection as client
from redis.backoff import NoBackoff
from redis.retry import Retry

from forebay.config import SPECIAL, Settings, ends_early, masked
from forebay.engine.patience import ANSWER, CONNECT
from forebay.model.errors import ConfigError

_logger = logging.getLogger("forebay.redis")

#: The namespace of an app that names none.
NAMESPACE = "forebay"
_FORM = "redis://user:password@host:6379/0, rediss:// with TLS, or unix:///path/to/socket?db=0"
_SEVERAL = "redis://user:password@one:6379,two:6379/0"
#: Where a server listens if it does not say so.
_PORT = 6379
_SCHEMES = {"redis": "redis", "valkey": "redis", "rediss": "rediss", "valkeys": "rediss", "unix": "unix"}
#: What may stand behind the `?`.
_FILES = frozenset({"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"})
_OPTIONS = _FILES | {"ssl_cert_reqs"}
#: Whether a server's certificate is verified.
_VERIFY = "required", "optional", "none"
_client: Any = client  # of its types, `Wire` has those that matter here
_CLASSES = {"redis": "Connection", "rediss": "SSLConnection", "unix": "UnixDomainSocketConnection"}


class Wire(Protocol):
    """What we use of the client's connections."""

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def pack_commands(self, commands: Sequence[tuple[Any, ...]]) -> list[bytes]: ...
    def send_packed_command(self, command: list[bytes], check_health: bool = ...) -> None: ...
    def read_response(self, *, disable_decoding: bool = ...) -> Any: ...
    def can_read(self, timeout: float = ...) -> bool: ...


class Address:
    """How one server, or a cluster, is reached.

    Attributes:
        place: where, without a secret. tag: what all keys of ours begin with.
        nodes: those that the URL names: one, or some of a cluster.
    """

    def __init__(self, settings: Settings) -> None:
        self.place = masked(settings.url)
        self.tag = f"{{{settings.namespace or NAMESPACE}}}:"
        scheme, _, rest = settings.url.partition("://")
        if scheme.lower() not in _SCHEMES:
            raise ConfigError(f"{self.place!r} is no URL of a server: write {_FORM}")
        self._kind = _SCHEMES[scheme.lower()]
        if settings.durability != "full":
            raise ConfigError(
                f"durability={settings.durability!r} has no effect on {self.place}: its own settings (appendonly, "
                "appendfsync) say what a crash may cost; leave it out"
            )
        self.nodes: list[tuple[str, int]] = []
        self._kwargs = self._parsed(f"{self._kind}://{rest}")

    def __repr__(self) -> str:
        return f"<Address {self.place}>"

    def _parsed(self, url: str) -> dict[str, Any]:
        if self._kind != "unix" and ends_early(url, "/?#"):
            raise ConfigError(f"{self.place}: {SPECIAL}")
        url = self._first(url)
        parts = urlsplit(url)
        if self._kind != "unix" and not (parts.hostname and re.fullmatch("/?|/[0-9]+/?", parts.path)):
            raise ConfigError(
                f"{self.place}: a host is missing, or what follows it is no number of a database: {_FORM}"
            )
        if parts.fragment:
            raise ConfigError(f"{self.place}: what stands after # would be dropped: take it out, or write %23 for a #")
        self._look_at_options([name for name, _ in parse_qsl(parts.query, keep_blank_values=True)])
        try:
            parsed: Mapping[str, Any] = _client.parse_url(url)
        except ValueError as error:
            raise ConfigError(f"{self.place}: {error}: write {_FORM}") from None
        kwargs = {name: value for name, value in parsed.items() if name != "connection_class"}
        self._look_at_files(kwargs)
        if kwargs.get("ssl_cert_reqs", "required") != "required":
            _logger.warning("%s: the server's certificate is not verified: anybody may answer in its stead", self.place)
        if self._kind == "rediss":
            kwargs.setdefault("ssl_check_hostname", kwargs.get("ssl_cert_reqs", "required") == "required")
        return kwargs

    def _look_at_options(self, given: Sequence[str]) -> None:
        known = {"db"} if self._kind == "unix" else _OPTIONS
        place = self.place.partition("?")[0]
        if unknown := [name for name in given if name not in known]:
            if unknown[0] == "db":
                raise ConfigError(f"{place}: the number of the database stands behind the host: {_FORM}")
            raise ConfigError(
                f"{place}: option {unknown[0][:80]!r} of the URL is not known; known are {', '.join(sorted(known))}"
            )

    def _first(self, url: str) -> str:
        """The URL with only the first of several hosts, all of which are kept."""
        parts = urlsplit(url)
        user, at, named = parts.netloc.rpartition("@")
        if self._kind == "unix" or "," not in named:
            return url
        hosts = named.split(",")
        try:
            places = [urlsplit(f"//{host}") for host in hosts]
            self.nodes = [(place.hostname or "", place.port or _PORT) for place in places]
        except ValueError:
            self.nodes = [("", 0)]
        if not all(host for host, _ in self.nodes):
            raise ConfigError(f"{self.place}: a host is missing, or a port is no number: {_SEVERAL}")
        return parts._replace(netloc=f"{user}{at}{hosts[0]}").geturl()

    def node(self, turn: int) -> tuple[str, int] | None:
        """The node of a cluster to go to after so many could not be reached; None for the one server of the URL."""
        return self.nodes[turn % len(self.nodes)] if self.nodes else None

    def _look_at_files(self, kwargs: Mapping[str, Any]) -> None:
        """What the client would tell as a server that does not answer."""
        verify = kwargs.get("ssl_cert_reqs", "required")
        if verify not in _VERIFY:
            raise ConfigError(f"{self.place}: ssl_cert_reqs={verify!r} is none of {', '.join(_VERIFY)}")
        for name in sorted(_FILES & kwargs.keys()):
            if not Path(kwargs[name]).exists():
                raise ConfigError(f"{self.place}: {name}: there is no {kwargs[name]}: correct it in the URL")
        if {"ssl_certfile", "ssl_keyfile"} & kwargs.keys():
            self._look_at_pair(kwargs.get("ssl_certfile", ""), kwargs.get("ssl_keyfile"))

    def _look_at_pair(self, certificate: str, key: str | None) -> None:
        """A certificate of our own, and its key, which may lie in the same file."""

        def password() -> str:  # asked for; else it would be the terminal that is asked
            raise ConfigError(
                f"{self.place}: the key in {key or certificate} is encrypted: give one that is not, which nobody else "
                "may read (chmod 600)"
            )

        if not certificate:
            raise ConfigError(f"{self.place}: ssl_keyfile= goes with ssl_certfile=, the certificate that it is of")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password)
        except OSError as error:
            raise ConfigError(
                f"{self.place}: {certificate} and {key or 'the key in it'} cannot be used ({error}): they have to be a "
                "certificate and its key, in PEM, which this user may read: ?ssl_certfile=FILE&ssl_keyfile=FILE"
            ) from error

    def socket_of(self, connection: Wire) -> socket.socket:
        """The socket of a connection that is made; from then on it is the caller's."""
        return cast("socket.socket", cast("Any", connection)._sock)

    def connection(self, at: tuple[str, int] | None = None, within: float = ANSWER) -> Wire:
        """A connection that is not made yet; `at` another node of the same cluster. Nothing in it tries again.

        Args:
            within: seconds that the server may be silent while it is made.
        """
        kwargs = dict(self._kwargs)
        if at is not None and self._kind != "unix":
            kwargs["host"], kwargs["port"] = at
        if self._kind != "unix":
            kwargs |= {"socket_connect_timeout": min(CONNECT, within), "socket_keepalive": True}
        made = getattr(_client, _CLASSES[self._kind])(
            protocol=2, socket_timeout=min(ANSWER, within), retry=Retry(NoBackoff(), 0), health_check_interval=0,
            decode_responses=False, client_name="forebay", **kwargs,
        )  # fmt: skip
        return cast("Wire", made)
