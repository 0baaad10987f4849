"""Moving while a server is killed, or the way to it torn: the run goes on, or says so; nothing is lost or doubled."""

import asyncio
import contextlib
import threading
from urllib.parse import urlsplit

import msgspec
import pytest

from engines.servers import own_redis, postgres
from engines.servers.proxy import Proxy
from forebay.config import Settings
from forebay.engine.registry import backend, place, scheme_of
from forebay.model.clock import SystemClock
from forebay.model.errors import ForebayError
from forebay.model.message import Message
from forebay.mover import Mover, Side

COUNT, BATCH = 120, 10


@contextlib.asynccontextmanager
async def opened(*settings):
    sides = [Side(scheme_of(one), place(one), backend(one, SystemClock())) for one in settings]
    for side in sides:
        await side.parts.engine.open()
    try:
        yield sides
    finally:
        for side in sides:
            await side.parts.engine.close()


async def fill(side):
    await side.parts.engine.publish([Message(id=f"{n:032d}", queue="q", body=b"%d" % n) for n in range(COUNT)])


async def ready(side):
    (depth,) = await side.parts.engine.depth(["q"])
    return depth.ready


async def moved(source, target, trouble):
    """In the midst of trouble, run after run until one comes to its end; all of it is there then, once."""
    with trouble:
        while True:
            with contextlib.suppress(ForebayError):
                await Mover(source, target, batch=BATCH).run(["q"])
                break
    assert (await ready(source), await ready(target)) == (0, COUNT)
    assert await source.parts.moves.routes() == await target.parts.moves.routes() == []
    found = await target.parts.results.find([f"{n:032d}" for n in range(COUNT)])
    assert [one.body for one in found] == [b"%d" % n for n in range(COUNT)]


@contextlib.contextmanager
def again_and_again(act, pause=0.05):
    """Do something all the time, from another thread."""
    done = threading.Event()

    def go_on():
        while not done.wait(pause):
            act()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture
def proxied():
    """PostgreSQL behind a way that can be cut."""
    settings = postgres.empty()
    where = urlsplit(settings.url)
    proxy = Proxy(where.hostname, where.port)
    url = where._replace(netloc=f"{where.username}@127.0.0.1:{proxy.port}").geturl()
    yield msgspec.structs.replace(settings, url=url), proxy
    proxy.close()


@pytest.mark.parametrize("backwards", [False, True], ids=["there", "back"])
def test_connections_to_postgresql_that_are_torn_all_the_time(proxied, tmp_path, backwards):
    """Some of them when a commit is being answered, so that nobody knows whether it happened."""
    settings, proxy = proxied

    def tear():
        if proxy.tear is None:
            proxy.tear = b"COMMIT"
        else:
            proxy.cut()

    async def story():
        async with opened(Settings(url=f"sqlite:///{tmp_path}/q.db"), settings) as (file, server):
            source, target = (server, file) if backwards else (file, server)
            await fill(source)
            await moved(source, target, again_and_again(tear, 0.3))

    asyncio.run(story())


@pytest.mark.parametrize("backwards", [False, True], ids=["there", "back"])
def test_a_redis_that_is_killed_and_started_again_and_again(tmp_path, backwards):
    async def story(server):
        def restart():
            server.kill()
            server.start()

        async with opened(Settings(url=f"sqlite:///{tmp_path}/q.db"), server.settings()) as (file, redis):
            source, target = (redis, file) if backwards else (file, redis)
            await fill(source)
            await moved(source, target, again_and_again(restart, 0.2))

    with own_redis.running(tmp_path) as server:
        asyncio.run(story(server))
