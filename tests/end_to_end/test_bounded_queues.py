"""Queues with a limit and real processes: the limit holds for all producers together."""

import subprocess
import sys
from pathlib import Path

import pytest

from engines.servers import postgres, redis
from forebay import Forebay

PRODUCERS, EACH, LIMIT = 8, 25, 60

PROGRAM = """
import sys
from pathlib import Path
from forebay import Forebay, QueueFull

url, namespace, number, gate = sys.argv[1:]
app = Forebay(url, **({"namespace": namespace} if namespace else {}))
app.open_by = app.queues()
while not Path(gate).exists():
    pass
taken, waits = [], []
for turn in range(int(EACH)):
    try:
        if turn % 5:
            taken.append(app.publish("mail", number).id)
        else:
            taken += [handle.id for handle in app.publish_many("mail", [number] * 3)]
    except QueueFull as full:
        waits.append(full.retry_after)
        assert full.queue == "mail" and full.retry_after > 0, full
print(len(taken), len(waits))
"""


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def where(request, tmp_path):
    """URL and namespace."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/queue.db", ""
    elif request.param == "postgresql":
        settings = postgres.empty()
        yield settings.url, settings.namespace
    else:
        with redis.empty() as settings:
            yield settings.url, settings.namespace


def app_on(where):
    url, namespace = where
    app = Forebay(url, **({"namespace": namespace} if namespace else {}))
    app.queue("mail", limit=LIMIT)
    return app


def test_all_producers_together_stay_within_the_limit(where, tmp_path):
    program, gate = tmp_path / "producer.py", tmp_path / "gate"
    program.write_text(PROGRAM.replace("EACH", str(EACH)).replace("app.open_by = app.queues()", "app.queues()"))
    with app_on(where) as app:
        app.queues()
        running = [
            subprocess.Popen(
                [sys.executable, str(program), *where, str(n), str(gate)], stdout=subprocess.PIPE, text=True
            )
            for n in range(PRODUCERS)
        ]
        Path(gate).touch()
        said = [process.communicate(timeout=120)[0].split() for process in running]
        assert all(process.returncode == 0 for process in running)
        (depth,) = app.queues("mail")
        assert (depth.ready, depth.published) == (LIMIT, LIMIT)
        assert sum(int(waits) for _, waits in said) > 0
