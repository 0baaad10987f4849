"""`forebay providers`: how they stand, and what an operator does about them."""

from end_to_end.cli.shell import eventually

APP = """
from forebay import Breaker, Forebay

app = Forebay("sqlite:///forebay.db", poll=0.2)
app.provider("smtp", concurrency=4)
app.provider("llm", breaker=Breaker(min_calls=1, open_for=600, max_open=600))


@app.task(provider="smtp")
def send(number: int) -> int:
    return number


@app.task(provider="llm")
def ask() -> None:
    raise ConnectionRefusedError("nobody listens there")
"""


def test_they_are_listed_opened_probed_and_closed_and_why_names_them(shell):
    (shell.folder / "app.py").write_text(APP)
    with shell.worker():
        assert [(one["name"], one["state"], one["slots"]) for one in shell("providers", "-o", "json").json] == [
            ("llm", "closed", None),
            ("smtp", "closed", 4),
        ]
        shell("providers", "open", "smtp", "--reason", "moving house")
        id_ = shell.enqueue("send", "1")
        eventually(lambda: shell.state(id_) == "parked")
        said = shell("why", id_).out
        assert "waits, because provider smtp was opened by " in said
        assert "until somebody closes it: moving house" in said
        assert "lane smtp" not in said
        (smtp,) = [one for one in shell("providers", "-o", "json").json if one["name"] == "smtp"]
        assert (smtp["state"], smtp["waiting"], smtp["slots"], smtp["until"]) == ("open", 1, 0, None)
        # the worker may have sent the probe, and heard its answer, before the command looks
        assert shell("providers", "probe", "smtp", "-o", "json").json[0]["state"] != "open"
        eventually(lambda: shell.state(id_) == "done")
        other = shell.enqueue("ask")
        eventually(lambda: "has been down for" in shell("why", other).out)
        assert "ConnectionRefusedError: nobody listens there" in shell("why", "default").out
        assert "next probe in 1h" in shell("providers", "open", "llm", "--for", "1h").out
        assert "llm" in shell("providers", "list").out
        assert shell("providers", "close", "smtp", "-o", "json").json[0]["state"] == "closed", "it answers"
    lines = [(line["verb"], line["target"]) for line in shell("audit", "-o", "json").json]
    assert lines == [
        ("close provider", "smtp"),
        ("open provider", "llm"),
        ("probe provider", "smtp"),
        ("open provider", "smtp"),
    ]


def test_what_cannot_be_done_is_said_in_one_line(shell):
    (shell.folder / "app.py").write_text(APP)
    with shell.worker():
        assert "no provider 'nope': there is llm, smtp" in shell("providers", "close", "nope", code=2).complaint
        assert "nothing to probe" in shell("providers", "probe", "llm", code=2).complaint
        assert "leave it out" in shell("providers", "open", "llm", "--for", "0", code=2).complaint
