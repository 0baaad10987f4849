"""Draw docs/_static/top.svg, the picture in the README: what `forebay top` shows of a small fleet that really runs.

Run as `python tools/picture.py [FILE]`. It makes an app in a temporary folder, starts two workers and a producer on it,
pauses a queue, lets `forebay top` draw on a terminal of 100 columns, and saves the last screen. Nothing is made up.
"""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ

from rich.console import Console
from rich.text import Text

APP = """
import asyncio, random, sys, time
from forebay import Forebay

app = Forebay("sqlite:///shop.db")


@app.task(queue="mail", retry=1)
async def send_mail(number: int) -> None:
    await asyncio.sleep(random.uniform(0.02, 0.2))
    if number % 400 == 399:
        raise ConnectionError("mailbox unavailable")


@app.task(queue="reports")
def report(number: int) -> None:
    time.sleep(random.uniform(0.5, 2))


@app.task(queue="billing")
def bill(number: int) -> None: ...


@app.task(queue="reminders")
def remind(number: int) -> None: ...


@app.periodic("*/5 * * * *", queue="chores")
def tidy() -> None: ...


if __name__ == "__main__":
    bill.enqueue_many([(n,) for n in range(218)])
    remind.using(delay=3600).enqueue_many([(n,) for n in range(1_200)])
    number = 0
    while True:
        burst = random.randint(20, 90)
        send_mail.enqueue_many([(number + n,) for n in range(burst)])
        report.enqueue_many([(n,) for n in range(random.randint(0, 3))])
        number += burst
        time.sleep(0.2)
"""
COLUMNS, ROWS, READINGS = 100, 24, 24
FILE = Path(__file__).parents[1] / "docs" / "_static" / "top.svg"
FOREBAY = [sys.executable, "-m", "forebay"]
#: A screen of rich's begins where the cursor goes home.
HOME = "\x1b[H"


@contextlib.contextmanager
def fleet(folder: Path) -> Generator[None]:
    """Two worker services and a producer that never ends, on the app in `folder`; gone at the end."""
    (folder / "shop.py").write_text(APP)
    pause = [*FOREBAY, "pause", "-A", "shop", "billing", "--reason", "provider is down"]
    commands = [
        [*FOREBAY, "worker", "-A", "shop", "-Q", "mail,billing,reminders,chores", "-p", "2"],
        [*FOREBAY, "worker", "-A", "shop", "-Q", "reports", "-c", "4"],
        [sys.executable, "shop.py"],
    ]
    subprocess.run([*FOREBAY, "enqueue", "-A", "shop", "bill", "0"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(pause, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with contextlib.ExitStack() as running:
        for command in commands:
            process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
            running.callback(process.wait)
            running.callback(process.terminate)
        yield


def screen(folder: Path) -> str:
    """The last screen that `forebay top` draws."""
    ours, its = pty.openpty()
    ioctl(its, TIOCSWINSZ, pack("HHHH", ROWS, COLUMNS, 0, 0))
    env = {**os.environ, "TERM": "xterm-256color"}
    env.pop("NO_COLOR", None)
    top = [*FOREBAY, "top", "-A", "shop", "--interval", "500ms", "--count", str(READINGS)]
    process = subprocess.Popen(top, cwd=folder, env=env, stdin=its, stdout=its)
    os.close(its)
    drawn = b""
    with contextlib.suppress(OSError):  # EIO: the other side has ended
        while part := os.read(ours, 65_536):
            drawn += part
    os.close(ours)
    if process.wait():
        raise SystemExit("forebay top failed")
    screens = drawn.decode().replace("\r\n", "\n").split(HOME)
    return max(screens[-3:], key=len)


def svg(text: str) -> str:
    """The screen as an SVG that needs no font from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(re.sub(r"\x1b\[\?\d+[hl]", "", text).rstrip()), no_wrap=True)
    picture = console.export_svg(title="forebay top", unique_id="top")
    return re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="shop-") as made, fleet(Path(made)):
        shown = screen(Path(made))
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    target.parent.mkdir(exist_ok=True)
    target.write_text(svg(shown))
