"""Engines around engines, by URL; and where an engine is looked for that this house does not have."""

import asyncio

import pytest

from forebay.config import Settings
from forebay.engine.registry import build
from forebay.model.clock import SystemClock
from forebay.model.errors import ConfigError
from forebay.model.message import Message
from forebay.testing.faults.mutation import WRAPPER
from forebay.testing.history import events, read, recorded
from forebay.testing.history.engine import WRAPPER as HISTORY
from forebay.testing.wrapping import option, peel, wrap


def made(url):
    return build(Settings(url=url), SystemClock())


def test_a_wrapper_takes_its_option_out_of_the_url_and_leaves_the_others():
    url = wrap(wrap("sqlite:////tmp/my.db", "one.mutated", mutation="ack-early"), "recorded", history="/a b")
    assert url.startswith("recorded+one.mutated+sqlite:////tmp/my.db?")
    assert option(url, "history") == "/a b"
    inner = peel(Settings(url=url), "history").url
    assert inner == "one.mutated+sqlite:////tmp/my.db?mutation=ack-early"
    assert peel(Settings(url=inner), "mutation").url == "sqlite:////tmp/my.db"


@pytest.mark.parametrize("engine", ["memory://", "sqlite:///{folder}/queue.db"])
def test_a_recorded_engine_is_the_engine_and_keeps_a_history_beside_it(engine, tmp_path):
    async def story():
        backend = made(recorded(engine.format(folder=tmp_path), tmp_path / "history"))
        await backend.open()
        await backend.publish([Message(id="a", queue="q")])
        (depth,) = await backend.depth(["q"])
        await backend.close()
        return depth.ready

    assert asyncio.run(story()) == 1
    assert [type(event) for event in read(tmp_path / "history")] == [events.Publishing, events.Published]


def test_an_option_that_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"lacks an option of its wrapper: add \?history=\.\.\."):
        made(f"{HISTORY}+memory://")


def test_an_unknown_mutation_is_told_which_there_are():
    with pytest.raises(ConfigError, match="no mutation 'none': there are ack-early, drop-the-fence"):
        made(wrap("memory://", WRAPPER, mutation="none"))


def test_an_engine_that_nobody_installed_is_told_which_there_are():
    with pytest.raises(ConfigError, match="no engine for URL scheme 'nowhere': known are memory://"):
        made("nowhere://")


def test_a_module_that_is_no_engine_is_told_why():
    with pytest.raises(ConfigError, match=r"no engine for URL scheme 'no\.where': no module of that name has one"):
        made("no.where+sqlite:///x.db")
    with pytest.raises(ConfigError, match=r"'json\.decoder': no module of that name has one .*'backend'"):
        made("json.decoder://")
