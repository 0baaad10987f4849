"""The least rights that docs/how-to/postgresql.md names: enough for what it says, tried as such a user."""

import os
import re
from pathlib import Path

import pytest

from engines.servers import postgres
from forebay import Forebay, QueueFull
from forebay.config import Settings
from forebay.engine.postgres.checks import ServerChecks
from forebay.model.errors import EngineError
from forebay.model.finding import Level
from forebay.testing import drain

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "postgresql.md"
WEB, WORKER = f"web_{os.getpid()}", f"worker_{os.getpid()}"


@pytest.fixture
def url():
    """A URL in which the user is to be written, once both have the rights of the page."""
    settings = postgres.empty()
    grants = re.search(r"```sql\n(grant usage.*?)```", PAGE.read_text(), re.DOTALL)[1]
    grants = re.sub(r"\bweb\b", WEB, re.sub(r"\bworker\b", WORKER, grants)).replace(
        f"forebay.{WORKER}", "forebay.worker"
    )
    postgres.run(f"create role {WEB} login; create role {WORKER} login")
    postgres.run(grants.replace("schema forebay", f'schema "{postgres.NAMESPACE}"'))
    yield settings.url.replace("//forebay@", "//{}@")
    postgres.run(f"drop owned by {WEB}, {WORKER}; drop role {WEB}, {WORKER}")


def app_of(url, user):
    app = Forebay(url.format(user), namespace=postgres.NAMESPACE, migrate=False, durability="normal")
    app.queue("keyed", key_concurrency=1, rate="50/s")
    app.queue("small", limit=1)

    @app.task
    def double(n: int) -> int:
        return n * 2

    return app, double


def test_web_enqueues_whatever_it_likes_and_changes_are_audited(url, caplog):
    app, double = app_of(url, WEB)
    with app:
        double.enqueue(1)
        double.enqueue_many([(2,), (3,)])
        double.using(queue="keyed", key="k").enqueue(4)
        double.using(unique="u", debounce=0.01).enqueue(5)
        last = double.using(unique="u", debounce=0.01).enqueue(6)
        with pytest.raises(EngineError, match="permission denied"):
            last.cancel()
        app.publish("small", 1)
        with pytest.raises(QueueFull):  # and it may not end what is there and too late to start
            app.publish("small", 2)
    assert "the audit lacks" not in caplog.text
    assert postgres.run("select count(*) > 0 from forebay.audit") == [(True,)]
    working, _ = app_of(url, WORKER)
    with working:
        assert {ended.value for ended in drain(working)} >= {2, 4, 6, 8}


def said(url, user):
    """What doctor says of the rights of a user."""
    checks = ServerChecks(Settings(url=url.format(user), namespace=postgres.NAMESPACE))
    (found,) = [one for one in checks.examine() if one.check == "rights"]
    return found


def test_doctor_says_of_each_user_of_the_page_what_it_may_do(url):
    assert said(url, WORKER).level is Level.OK
    web = said(url, WEB)
    assert (web.level, "may enqueue, but not run workers" in web.text) == (Level.WARN, True)


@pytest.mark.parametrize(
    ("taken", "user"),
    [
        ("insert on table delta", WEB), ("update on table queue", WORKER), ("delete on table message", WORKER),
        ("select on table tally", WEB), ("execute on function lock_number", "public"),
    ],
    ids=["insert", "update", "delete", "select", "execute"],  # their names have the number of a process
)  # fmt: skip
def test_doctor_names_the_right_that_a_user_has_lost(url, taken, user):
    on = taken.replace("table ", "").rpartition(" ")
    postgres.run(f"revoke {taken.rpartition(' ')[0]} forebay.{on[2]} from {user}")
    try:
        found = said(url, WORKER if user == "public" else user)
        assert (found.level, f"lacks {on[0].replace(' function', '')} {on[2]}" in found.text) == (Level.FAIL, True)
        assert "docs/how-to/postgresql.md" in found.advice
    finally:
        postgres.run(f"grant {taken.rpartition(' ')[0]} forebay.{on[2]} to {user}")


def test_doctor_tells_one_who_only_enqueues_from_a_worker_that_has_lost_a_right(url):
    postgres.run(f"revoke delete on forebay.ended from {WORKER}")
    found = said(url, WORKER)
    assert (found.level, "not run workers: it lacks delete on ended" in found.text) == (Level.WARN, True)
