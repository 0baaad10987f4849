"""What arrives is what was sent, whatever an administrator has set for the sessions of a role or a database."""

import math
from urllib.parse import quote

from engines.servers import postgres
from forebay import Forebay
from forebay.config import Settings
from forebay.engine.postgres.address import address
from forebay.engine.postgres.wire import Wire
from forebay.testing import drain

SETTINGS = (
    "standard_conforming_strings=off", "bytea_output=escape", "array_nulls=off", "transform_null_equals=on",
    "extra_float_digits=-15", "datestyle=German", "default_transaction_isolation=repeatable read",
    "search_path=nowhere",
)  # fmt: skip
SENT = ["", "\\", "\\x41", "it's", "\x00\x7f\u00ff", "{a,b}", '"']


def test_what_arrives_is_what_was_sent_whatever_is_set_for_the_session():
    settings = postgres.empty()
    odd = [one.replace(" ", r"\ ") for one in SETTINGS]
    joint = "&" if "?" in settings.url else "?"
    app = Forebay(
        f"{settings.url}{joint}options={quote(' '.join(f'-c {one}' for one in odd))}", namespace=postgres.NAMESPACE
    )
    app.provider("letters", rate=1e6)
    app.queue("keyed", key_concurrency=1)

    @app.task(retry=1)
    def echo(text: str) -> str:
        return text

    @app.task(retry=1, provider="letters", cost=2)
    def priced(text: str) -> str:
        return text

    with app:
        echo.enqueue_many([(text,) for text in SENT])
        for text in SENT:
            echo.using(queue="keyed", key=text.replace("\x00", "0") or "none", headers={"said": text}).enqueue(text)
            priced.enqueue(text)
        ended = drain(app)
        assert sorted(one.value for one in ended) == sorted(SENT * 3)
        assert {one.state for one in ended} == {"done"}


def test_nothing_is_compiled_for_one_look_however_cheap_the_server_says_that_is():
    settings = postgres.empty()
    joint = "&" if "?" in settings.url else "?"
    always = quote("-c jit=on -c jit_above_cost=0")
    where = address(Settings(url=f"{settings.url}{joint}options={always}", namespace=postgres.NAMESPACE))
    for durability, purpose in (("", "reader"), ("full", "publisher")):
        wire = Wire(where, purpose, math.inf, durability=durability)
        assert wire.rows("show jit") == [("off",)]
        wire.close()
