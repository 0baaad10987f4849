"""A real server that fails, hangs and comes back, asked by real workers; one of them is killed while it probes."""

import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest

from engines.servers.found import url
from fleet import until
from forebay.engine.waiting import drive
from forebay.model.provider import meter_of
from forebay.provider.steer import listed


class Api:
    """A server that answers as it is told, and knows who has asked it, and how many at a time."""

    def __init__(self):
        self.answer, self.asked, self.hanging, self.now, self.most = 200, [], [], 0, 0
        self.go, self._lock = threading.Event(), threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                with api.asking(int(self.headers["x-pid"])):
                    answer = api.answer
                    if answer == "hang":
                        api.hanging.append(int(self.headers["x-pid"]))
                        api.go.wait(20)
                        answer = api.answer
                    self.send_response(answer)
                    if answer == 429:
                        self.send_header("Retry-After", "3")
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_):
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def asking(self, pid):
        api = self

        class Counted:
            def __enter__(self):
                with api._lock:
                    api.now += 1
                    api.most = max(api.most, api.now)
                    api.asked.append((time.monotonic(), pid))

            def __exit__(self, *_):
                with api._lock:
                    api.now -= 1

        return Counted()

    def since(self, start):
        return [(at, pid) for at, pid in list(self.asked) if at >= start]


@pytest.fixture
def crew() -> Path:
    return Path(__file__).with_name("provided.py")


@pytest.fixture
def api():
    api = Api()
    yield api
    api.go.set()
    api.server.shutdown()
    api.server.server_close()


def open_and_quiet(place, *queues):
    """The breaker is open, nobody is let through any more, and what was leased before that has ended."""
    until(lambda: stand(place).stand == "open" and slots(place) == 0, "the breaker to open")
    until(lambda: not any(depth.running for depth in place.ask("depth", list(queues))), "the end of what had begun")


def slots(place):
    """How many of its messages may run: a row says that it is open, and a moment later its meter does."""
    (meter,) = drive(place.crew.app.store.meters([meter_of(stand(place).name)]))
    return meter.slots


def stand(place):
    (one,) = drive(listed(place.crew.app.store))
    return one


def test_the_process_of_a_probe_is_killed_and_another_one_probes(make_place, api):
    place = make_place(test_api=api.url)
    with place.fleet("-p", "2", "-c", "8"):
        api.answer = 503
        handles = [place.crew.ask.enqueue(number) for number in range(40)]
        open_and_quiet(place, "asks")
        api.answer = "hang"
        prober, *others = until(lambda: api.hanging, "the probe")
        assert others == []
        os.kill(prober, signal.SIGKILL)
        api.answer, killed = 200, time.monotonic()
        _, other = until(lambda: api.since(killed), "another probe")[0]
        assert other != prober
        assert sorted(handle.result(30) for handle in handles) == list(range(40))
        # by steps, of which each takes calls that succeed: there may be fewer left than that
        until(
            lambda: place.crew.ask.enqueue(0).result(30) == 0 and stand(place).stand == "closed",
            "it to be asked as usual",
        )
        attempts = sorted(place.found(handle).attempt for handle in handles)
        assert attempts in ([1] * 40, [1] * 39 + [2])  # a worker that is lost counts, as ever


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "redis"])
def test_an_outage_uses_up_no_attempt_and_comes_back_by_steps_on_every_engine(make_place, api, engine):
    settings = {}
    if engine != "sqlite":
        if not (found := url(engine)):
            pytest.skip(f"no {engine} for tests")
        settings = {"url": found, "namespace": f"providers_{os.getpid()}"}
    place = make_place(test_api=api.url, **settings)
    place.url = settings.get("url", place.url)
    with place.fleet("-p", "2", "-c", "8"):
        api.answer = 503
        tasks = (place.crew.ask, place.crew.tell)
        handles = [task.enqueue(number) for number in range(40) for task in tasks]
        open_and_quiet(place, "asks", "tells")
        start = time.monotonic()
        assert [place.crew.add.enqueue(number).result(30) for number in range(5)] == [1, 2, 3, 4, 5]
        until(lambda: len(api.since(start)) >= 3, "some probes")
        probes = [at for at, _ in api.since(start)]
        gaps = [later - one for one, later in pairwise(probes)]
        assert all(gap > 0.4 for gap in gaps), f"one at each pause, whichever queue it is of: {gaps}"
        until(lambda: sum(depth.parked for depth in place.ask("depth", ["asks", "tells"])) >= 50, "most to be parked")
        api.answer, api.most = 200, 0
        assert sorted(handle.result(60) for handle in handles) == sorted([*range(40)] * 2)
        assert api.most <= 8
        assert {place.found(handle).attempt for handle in handles} == {1}


def test_who_says_when_to_come_again_is_left_alone_until_then(make_place, api):
    place = make_place(test_api=api.url)
    with place.fleet("-p", "2", "-c", "8"):
        place.crew.ask.enqueue(0).result(30)
        api.answer = 429
        handles = [place.crew.ask.enqueue(number) for number in range(60)]
        start = until(lambda: api.since(api.asked[0][0] + 0.001), "the first that is refused")[0][0]
        until(lambda: stand(place).throttles, "that to be known")
        until(lambda: not place.ask("depth", ["asks"])[0].running, "the end of what had begun")
        quiet = time.monotonic() - start
        api.answer = 200
        assert sorted(handle.result(30) for handle in handles) == list(range(60))
        early = [at - start for at, _ in api.asked if quiet < at - start < 2.95]
        assert early == []
        assert stand(place).stand == "closed"
        assert {place.found(handle).attempt for handle in handles} == {1}
