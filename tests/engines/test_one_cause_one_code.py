"""What keeps a command from its engine ends every command with one exit code, and one sentence that fits.

Each cause is set up at a real server; each command that opens an engine is tried with each of them.
"""

import os
from pathlib import Path

import psycopg
import pytest

import starts
from engines.servers import own_redis, postgres
from engines.servers.found import needed
from forebay import Forebay
from forebay.cli.root import COMMANDS, main
from forebay.engine.postgres.errors import unreachable
from forebay.model.errors import EngineRefused, EngineUnreachable

UNREACHABLE = 3
#: Each command that opens the engine, as somebody types it; {app} is an app with a queue and a task.
LOOKS = {
    "enqueue": ["enqueue", "-A", "{app}", "double", "1"],
    "result": ["result", "some-id"],
    "cancel": ["cancel", "some-id"],
    "queues": ["queues"],
    "providers": ["providers"],
    "rules": ["rules"],
    "messages": ["messages"],
    "dead": ["dead", "list"],
    "why": ["why", "q"],
    "purge": ["purge", "q", "--yes"],
    "pause": ["pause", "q"],
    "resume": ["resume", "q"],
    "schedules": ["schedules"],
    "audit": ["audit"],
    "workers": ["workers"],
    "top": ["top"],
    "scale": ["scale"],
    "tail": ["tail"],
    "doctor": ["doctor"],
    "healthcheck": ["healthcheck"],
    "move": ["move", "--from", "{url}", "--to", "sqlite:///{folder}/other.db", "q"],
    "migrate": ["migrate", "--check"],
}
#: Likewise those that are processes of their own, and see to it that these end.
RUNS = {"worker": ["worker", "-A", "{app}", "--burst"], "dev": ["dev", "-A", "{app}", "--no-reload"]}
#: Those that open no engine of the app's, or more than one run can show here.
OTHERS = {"init", "demo", "check", "backup", "bench", "config", "completion"}
APP = """
from forebay import Forebay
app = Forebay()
@app.task(name="double")
def double(n: int) -> int:
    return 2 * n
"""
#: What the advice has in it, by cause.
ADVICE = {
    "pg-rights": "rights",
    "pg-database": "createdb",
    "pg-user": "user in the URL",
    "redis-password": "correct them in the URL",
    "redis-rights": "+@all",
    "redis-policy": "noeviction",
    "redis-number": "correct it in the URL",
    "redis-gone": "start it",
}
ROLE = f"nothing_{os.getpid()}"


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    """A URL for each cause."""
    url = needed("postgres")
    postgres.empty()
    postgres.run(f"create role {ROLE} login")
    with (
        own_redis.running(tmp_path_factory.mktemp("redis")) as server,
        own_redis.running(
            tmp_path_factory.mktemp("evicting"), maxmemory="50mb", maxmemory_policy="allkeys-lru"
        ) as evicting,
    ):
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "weak", "on", ">secret", "~nothing:*", "+ping")
        at = f"127.0.0.1:{server.port}"
        yield {
            "pg-rights": url.replace("//forebay@", f"//{ROLE}@"),
            "pg-database": url.rpartition("/")[0] + "/no_such_database",
            "pg-user": url.replace("//forebay@", "//no_such_role@"),
            "redis-password": f"redis://weak:wrong@{at}/0",
            "redis-rights": f"redis://weak:secret@{at}/0",
            "redis-policy": evicting.url,
            "redis-number": f"redis://{at}/99",
            "redis-gone": "redis://127.0.0.1:1/0",
        }
    postgres.run(f"drop role {ROLE}")


@pytest.mark.parametrize("cause", sorted(ADVICE))
def test_every_command_ends_with_the_same_code_and_says_what_to_do(cause, urls, tmp_path, monkeypatch, capfd):
    module = f"app_of_{cause}".replace("-", "_")
    (tmp_path / f"{module}.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOREBAY_URL", urls[cause])
    monkeypatch.setenv("FOREBAY_NAMESPACE", postgres.NAMESPACE)
    places = {"app": f"{module}:app", "url": urls[cause], "folder": str(tmp_path)}
    runs = {
        command: Runs([word.format(**places) for word in words], tmp_path / command) for command, words in RUNS.items()
    }
    ends = {}
    for command, words in LOOKS.items():
        code = main([word.format(**places) for word in words])
        said = " ".join("".join(capfd.readouterr()).split())
        ends[command] = code, ADVICE[cause] in said
    for command, runs_on in runs.items():
        ends[command] = runs_on.wait(60), ADVICE[cause] in " ".join(runs_on.said.split())
    assert ends == dict.fromkeys([*LOOKS, *RUNS], (UNREACHABLE, True))


class Runs(starts.Started):
    """A command as a process of its own, which writes to a file."""

    def __init__(self, words, log):
        self._log = log
        with log.open("wb") as out, Path(os.devnull).open() as nothing:
            super().__init__(words, (nothing.fileno(), out.fileno(), out.fileno()), log.parent, os.environ)

    @property
    def said(self):
        return self._log.read_text()


def test_every_command_is_tried_or_named_as_one_that_opens_no_engine():
    assert set(LOOKS) | set(RUNS) | OTHERS == set(COMMANDS)


def test_a_program_can_tell_one_that_refuses_from_one_that_does_not_answer(urls):
    for cause, url in urls.items():
        with pytest.raises(EngineUnreachable) as caught:
            Forebay(url, namespace=postgres.NAMESPACE).queues()
        assert isinstance(caught.value, EngineRefused) == (cause != "redis-gone"), cause
        assert str(caught.value).endswith(caught.value.advice), cause
        assert caught.value.advice, cause


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ('FATAL:  password authentication failed for user "ann"', "correct the user and the password in the URL"),
        ("fe_sendauth: no password supplied", "correct the user and the password in the URL"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.7"', "pg_hba.conf"),
        ('FATAL:  pg_hba.conf rejects connection for host "10.0.0.7", user "ann", database "shop"', "pg_hba.conf"),
        ('FATAL:  role "ann" is not permitted to log in', "login"),
        ('FATAL:  too many connections for database "shop"', "connection limit"),
        ('FATAL:  too many connections for role "ann"', "connection limit"),
        ('FATAL:  database "shop" is not currently accepting connections', "accept connections"),
        ('FATAL:  Peer authentication failed for user "ann"', "pg_hba.conf"),
        ('FATAL:  permission denied for database "shop"', "needs rights"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "max_connections"),
        ("server does not support SSL, but SSL was required", "sslmode=disable"),
        ('FATAL:  database "shop" is disabled', "ENABLE"),
        ("FATAL:  bouncer config error", "pgbouncer.ini has"),
        ("FATAL:  unsupported startup parameter: options", "ignore_startup_parameters"),
        ("SSL error: certificate verify failed", "sslrootcert"),
        ("FATAL:  the database system is starting up", "wait until"),
        ("session is read-only", "primary"),
        ("connection timeout expired", "firewall"),
        ("wait timeout expired", "pooler with no free connection"),
        ("transaction blocks not allowed in statement pooling mode", "pool_mode = transaction"),
        ("FATAL:  no more connections allowed (max_client_conn)", "max_client_conn"),
    ],
)
def test_what_postgresql_says_has_advice_that_fits(said, advice):
    error = unreachable("postgresql://h/shop", psycopg.OperationalError(said))
    assert advice in error.advice
    assert str(error).endswith(error.advice)


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ('FATAL:  role "ann" is not permitted to log in', True),
        ('FATAL:  permission denied for database "shop"', True),
        ('FATAL:  pg_hba.conf rejects connection for host "10.0.0.7", user "ann", database "shop"', True),
        ("fe_sendauth: no password supplied", True),
        ("transaction blocks not allowed in statement pooling mode", True),
        ("FATAL:  no more connections allowed (max_client_conn)", False),
        ('FATAL:  too many connections for role "ann"', False),
        ('FATAL:  database "shop" is not currently accepting connections', False),
        ("FATAL:  the database system is shutting down", False),
    ],
)
def test_only_who_is_not_let_in_for_good_is_told_so_at_once(said, refused):
    error = unreachable("postgresql://h/shop", psycopg.OperationalError(said))
    assert isinstance(error, EngineRefused) == refused
