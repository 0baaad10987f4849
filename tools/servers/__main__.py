"""Starts and stops the servers that Forebay can stand on, for tests, benchmarks and trying things out.

    tools/services up [NAME ...]       install what is missing (Debian, as root), start, print the URLs
    tools/services down [NAME ...]     stop them; what they hold stays
    tools/services status [NAME ...]   which of them run
    tools/services url NAME            the URL to give to Forebay

Everything lies below .services/ of the checkout, on loopback, on ports of our own. Needs nothing but Python 3.11.
"""

import argparse
import contextlib
import fcntl
import sys
from collections.abc import Iterator, Sequence

from postgres import Postgres
from redis import Redis
from server import ROOT, Server, Trouble

SERVERS = {one.name: one for one in (Redis(), Postgres())}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tools/services", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="up|down|status|url")
    for verb, many in (("up", "*"), ("down", "*"), ("status", "*"), ("url", 1)):
        verbs.add_parser(verb).add_argument("names", nargs=many, metavar="NAME", help=", ".join(SERVERS))
    asked = parser.parse_args(argv)
    if unknown := [name for name in asked.names if name not in SERVERS]:
        parser.error(f"no server is called {unknown[0]!r}: there are {', '.join(SERVERS)}")
    chosen = [SERVERS[name] for name in asked.names or SERVERS]
    if asked.verb == "url":
        return _print_url(chosen[0])
    with _alone():
        return max(_carry_out(asked.verb, one) for one in chosen)


def _carry_out(verb: str, server: Server) -> int:
    """One verb for one server; 0 if it was done. What fails for one is told, and leaves the others."""
    try:
        if verb == "up":
            server.up()
        if verb == "down":
            server.down()
    except Trouble as trouble:
        print(f"{server.name:<10} failed: {trouble}", flush=True)
        return 1
    running = server.answers()
    print(f"{server.name:<10} {server.url() if running else 'down'}", flush=True)
    return int(verb == "status" and not running)


def _print_url(server: Server) -> int:
    if not server.answers():
        print(f"error: {server.name} is not running: tools/services up {server.name}", file=sys.stderr)
        return 1
    print(server.url())
    return 0


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two that start the same server at once would start it twice."""
    ROOT.mkdir(exist_ok=True)
    with (ROOT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


sys.exit(main(sys.argv[1:]))
