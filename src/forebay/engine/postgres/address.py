"""From a URL to what libpq is told: where the server is, how long it may be silent, how safe the way to it has to be.

The password goes to libpq and nowhere else: what people see is `shown`.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from forebay.config import SPECIAL, Settings, ends_early, masked
from forebay.model.errors import ConfigError

#: The schema if no namespace is given.
SCHEMA = "forebay"
#: Characters of a namespace: its name, with ours before it, is also a channel, and PostgreSQL cuts names at 63.
LONGEST = 50

#: Seconds until a connection is given up that nobody answers, and until one is that has gone silent.
CONNECT, SILENT = 5, 10
#: What is said if the URL does not say otherwise. Half-open connections are found by the kernel at both ends.
DEFAULTS: Mapping[str, Any] = {
    "connect_timeout": CONNECT,
    "keepalives": 1,
    "keepalives_idle": SILENT,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": SILENT * 1000,
    "application_name": "forebay",
    "target_session_attrs": "read-write",  # a standby refuses what we do; of several hosts, the one that does not
    "client_encoding": "UTF8",
}
_TLS = "sslmode", "sslrootcert"
_NEAR = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|::1|/.*|@.*|)")


class Address(NamedTuple):
    """Where the messages are.

    Attributes:
        conninfo: for libpq; has the password in it, and is shown to nobody.
        schema: the namespace.
        shown: for people.
    """

    conninfo: str
    schema: str
    shown: str

    def __repr__(self) -> str:
        return f"<{self.shown}, schema {self.schema}>"

    def sql(self, text: str) -> str:
        """A statement of ours, in which the schema is called forebay, as this server knows it."""
        return text if self.schema == SCHEMA else text.replace("forebay.", f'"{self.schema}".')

    @property
    def channel(self) -> str:
        """The channel on which news of this namespace are told."""
        return SCHEMA if self.schema == SCHEMA else f"{SCHEMA}:{self.schema}"


def address(settings: Settings) -> Address:
    """What the settings say.

    Raises:
        ConfigError: the URL is none that libpq understands, or the namespace is too long for a schema.
    """
    schema = settings.namespace or SCHEMA
    if len(schema) > LONGEST:
        raise ConfigError(f"namespace {schema!r} is too long for PostgreSQL: use up to {LONGEST} characters")
    if not settings.url.startswith(("postgresql://", "postgres://")):  # in small letters, or libpq does not know it
        raise ConfigError(f"{masked(settings.url)}: write postgresql://user:password@host:5432/database")
    if ends_early(settings.url.partition("?")[0], "/"):
        raise ConfigError(f"{masked(settings.url)}: {SPECIAL}")
    try:
        given = {name: value for name, value in conninfo_to_dict(settings.url).items() if value is not None}
        where = _where(settings.url) | given
        _check_ports(str(where.get("port", "")))
        options = {**DEFAULTS, **_safety(where), **given}
        return Address(make_conninfo("", **options), schema, _shown(where))
    except psycopg.Error:  # what it says may quote the password
        if unknown := sorted(_asked(settings.url) - _known()):
            raise ConfigError(f"option {unknown[0]!r} of the URL is none of PostgreSQL's{_alike(unknown[0])}") from None
        raise ConfigError(
            "the URL is none that PostgreSQL's library understands: write postgresql://user:password@host:5432/database,"
            " with what is special in a password as %XX; options follow after '?', as in ?sslmode=require"
        ) from None


def _check_ports(named: str) -> None:
    """Ports of all hosts; the library tells a wrong one as a host that cannot be reached, for which one waits."""
    for port in filter(None, named.split(",")):
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
            raise ConfigError(f"port {port[:80]!r} is no number from 1 to 65535: write postgresql://host:5432/database")


def _asked(url: str) -> set[str]:
    """The names of the options behind the `?`; none if that may be a part of a password, which nobody is to see."""
    options = url.partition("?")[2]
    return set() if "@" in options else set(re.findall(r"(?:^|&)([a-z_]+)=", options))


def _known() -> set[str]:
    return {option.keyword.decode() for option in pq.Conninfo.get_defaults()}


def _alike(name: str) -> str:
    alike = get_close_matches(name, _known(), 1)
    return f": did you mean {alike[0]!r}?" if alike else ": take it out, or write one of its connection parameters"


def _where(url: str) -> dict[str, Any]:
    """Where the server is if the URL does not say: a service (its own, or PGSERVICE), then the environment.

    libpq itself says so, of a connection that never begins: it does not know that way to encrypt.
    """
    asked = pq.PGconn.connect_start(make_conninfo(url, gssencmode="nowhere").encode())
    try:
        found = {one.keyword.decode(): one.val.decode() for one in asked.info if one.val}
    finally:
        asked.finish()
    # what is not said there has the value that it always has
    if "PGSSLMODE" not in os.environ and found.get("sslmode") == _usual("sslmode"):
        del found["sslmode"]
    return {name: found[name] for name in ("host", "hostaddr", "port", "dbname", *_TLS) if name in found}


def _usual(keyword: str) -> str:
    return next((one.compiled or b"").decode() for one in pq.Conninfo.get_defaults() if one.keyword == keyword.encode())


def _safety(where: Mapping[str, Any]) -> dict[str, str]:
    """Beyond this machine the server has to prove who it is, unless somebody says otherwise."""
    hosts = [one for name in ("host", "hostaddr") for one in str(where.get(name) or "").split(",")]
    if "sslmode" in where or all(_NEAR.fullmatch(host) for host in hosts):
        return {}
    return {"sslmode": "verify-full"} | ({} if "sslrootcert" in where else {"sslrootcert": "system"})


def _shown(given: Mapping[str, Any]) -> str:
    hosts = str(given.get("host") or given.get("hostaddr") or "localhost").split(",")
    host = ",".join(f"[{one}]" if ":" in one else one for one in hosts)
    port = f":{given['port']}" if "port" in given else ""
    return f"postgresql://{host}{port}/{given.get('dbname', '')}"
