"""A drain obeys rates: `ahead=` lets them pass in time, and without it whoever waits is told of."""

import pytest

from forebay import Forebay
from forebay.testing import ManualClock, drain

BOUNDS = [{"rate": "5/s", "burst": 1}, {"rate": "1/m"}, {"key_rate": "2/m"}, {"key_rate": 0.1, "key_concurrency": 1}]


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
@pytest.mark.parametrize("bound", BOUNDS, ids=str)
def test_what_a_rate_holds_back_runs_ahead(tmp_path, engine, bound, caplog):
    app = Forebay("memory://" if engine == "memory" else f"sqlite:///{tmp_path}/q.db", clock=ManualClock())
    app.queue("mail", **bound)
    seen = []

    @app.task(queue="mail")
    def send(n: int) -> None:
        seen.append(n)

    with app:
        for n in range(4):
            send.using(key="k").enqueue(n)
        assert len(drain(app)) < 4
        assert "drain leaves" in caplog.text
        start = app.clock.now()
        drain(app, ahead=600)
    assert seen == [0, 1, 2, 3]
    assert app.clock.now() - start == pytest.approx(600), "all of the time that was given has passed"
