"""A handler of logging that enqueues what it is given: also what is logged while the app is being opened."""

import contextlib
import logging

import pytest

from engines.servers import postgres, redis
from forebay import Forebay


class Enqueues(logging.Handler):
    def __init__(self, app):
        super().__init__()
        self.app = app

    def emit(self, record):
        self.app.publish("log", record.getMessage())


@contextlib.contextmanager
def place(engine, folder):
    """What an app of that engine is made with."""
    if engine == "redis":
        with redis.empty() as settings:
            yield {"url": settings.url, "namespace": settings.namespace}
    elif engine == "postgresql":
        settings = postgres.empty()
        yield {"url": settings.url, "namespace": settings.namespace}
    else:
        yield {"url": {"memory": "memory://", "sqlite": f"sqlite:///{folder}/q.db"}[engine]}


@pytest.mark.parametrize("engine", ["memory", "sqlite", "postgresql", "redis"])
def test_what_is_logged_while_an_app_opens_can_be_enqueued_in_it(engine, tmp_path):
    logger = logging.getLogger("forebay.limits")
    level = logger.level
    with place(engine, tmp_path) as given, contextlib.ExitStack() as stack:
        app = Forebay(**given)
        app.queue("mail", rate="50/s")  # each change of a rate is logged
        handler = Enqueues(app)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        stack.callback(logger.setLevel, level)
        stack.callback(logger.removeHandler, handler)
        with app:
            app.publish("mail", "first")
            ready = {depth.queue: depth.ready for depth in app.queues()}
    assert ready == {"log": 1, "mail": 1}
