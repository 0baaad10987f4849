"""Sessions of PostgreSQL that go from test to test, for tests that need an engine and are about what its verbs answer.

A new session costs the server a process, its catalogues, and a new plan of each of our functions: more than most tests.
Here a session that an engine closes is kept, emptied as a pooler does it (DISCARD ALL, save that plans stay), and given
to the next engine of this process that connects to the same place for the same purpose. Whatever is not idle, or cannot
be emptied, is closed. Not for tests about connections, sessions, rights or outages: the engine there is as it ships.
"""

import atexit
import os
from collections import defaultdict
from contextlib import contextmanager

from psycopg import pq

from forebay.engine.postgres import wire

#: What DISCARD ALL does, without DISCARD PLANS.
EMPTIED = (
    b"close all; set session authorization default; reset all; deallocate all; unlisten *;"
    b"select pg_advisory_unlock_all(); discard temp; discard sequences"
)
_kept = defaultdict(list)


class Session(wire._Connection):
    """The driver's connection, on a session that may have been another's before."""

    place = None

    @classmethod
    def connect(cls, conninfo, *, application_name, **how):
        place = os.getpid(), conninfo, application_name
        made = _again(cls, place, how) or super().connect(conninfo, application_name=application_name, **how)
        made.place = place
        return made

    def close(self):
        idle = not self.closed and self.pgconn.transaction_status == pq.TransactionStatus.IDLE
        if idle and self.place is not None and self.place[0] == os.getpid():
            _kept[self.place].append(self.pgconn)
            self.pgconn = pq.PGconn()  # closed: nothing that still has this object reaches the session
        super().close()


def _again(cls, place, how):
    while _kept[place]:
        if _empties(session := _kept[place].pop()):
            made = cls(session, how["row_factory"])
            made.autocommit, made.cursor_factory = how["autocommit"], how["cursor_factory"]
            made.prepare_threshold = how["prepare_threshold"]
            return made
        session.finish()
    return None


def _empties(session):
    """Whether it could be made as good as new; what it had heard goes too."""
    done = session.exec_(EMPTIED).status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
    while done and session.notifies() is not None:
        pass
    return done


@contextmanager
def sessions():
    """Engines that are opened in it use these."""
    plain, wire._Connection = wire._Connection, Session
    try:
        yield
    finally:
        wire._Connection = plain


@atexit.register
def let_go():
    """End those that are kept."""
    while _kept:
        for session in _kept.popitem()[1]:
            session.finish()
