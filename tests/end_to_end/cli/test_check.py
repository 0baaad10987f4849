"""`check`: an app is judged before it is deployed, without an engine."""


def test_a_sound_app_passes_and_makes_no_file(shell):
    said = shell("check").out
    assert "ok    tasks       boom, consumer of clicks, greet" in said
    assert "ok    schedules   yearly (0 0 1 1 *)" in said
    assert str(shell.folder / "forebay.db") in said
    assert [path.name for path in shell.folder.iterdir() if path.suffix == ".db"] == []


def test_what_looks_like_a_mistake_is_a_warning_and_what_cannot_work_a_failure(shell):
    (shell.folder / "odd.py").write_text(
        "from forebay import Forebay\n"
        "app = Forebay('sqlite:///odd.db')\n"
        "app.queue('nobody')\n"
        "@app.periodic('@daily', queue='x')\n"
        "def tick() -> None: ...\n"
    )
    rows = shell("check", "-A", "odd", "-o", "json").json
    told = {(row["check"], row["level"]): row["text"] for row in rows}
    assert "queue nobody is declared" in told["queues", "warn"]
    assert told["schedules", "ok"] == "tick (0 0 * * *)" or "@daily" in told["schedules", "ok"]
    (shell.folder / "odd.py").write_text("from forebay import Forebay\napp = Forebay()\napp.queue('nobody')\n")
    assert "has no task and no consumer" in shell("check", "-A", "odd", code=1).out
    (shell.folder / "odd.py").write_text(
        "from forebay import Forebay\napp = Forebay()\napp.queue('nobody')\n@app.task\ndef t() -> None: ...\n"
    )
    shell("check", "-A", "odd")
    shell("check", "-A", "odd", "--strict", code=1)
    (shell.folder / "odd.py").write_text("from forebay import Forebay\napp = Forebay(leese=5)\n")
    assert "leese" in shell("check", "-A", "odd", code=2).complaint


LESS = """
import msgspec
from forebay.engine.memory import MemoryBackend
from forebay.engine.backend import of_one

class Less(MemoryBackend):
    capabilities = msgspec.structs.replace(MemoryBackend.capabilities.fget(None), priorities=False)

def backend(settings, clock):
    return of_one(Less(settings, clock))
"""


def test_an_app_that_asks_for_what_its_engine_has_not_cannot_be_opened_and_check_says_so(shell):
    (shell.folder / "less").mkdir()
    (shell.folder / "less" / "engine.py").write_text(LESS)
    (shell.folder / "urgent.py").write_text(
        "from forebay import Forebay\napp = Forebay('less.engine://')\n@app.task(priority=7)\ndef now() -> None: ...\n"
    )
    said = " ".join(shell("check", "-A", "urgent", code=1).out.split())
    assert "fail engine less.engine:// has no priorities: task now asks for priorities (priority=7)" in said
    assert "use memory:// or sqlite://" in said
