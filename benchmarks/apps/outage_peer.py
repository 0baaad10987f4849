"""What the peers' tasks of the outage scenario do: the same as Forebay's, by the standard library's client."""

import os
import time
import urllib.request

from benchmarks.scenarios.terms import TIMEOUT


def done(message: str) -> None:
    """One line, written at once: who is done, and when; which attempt it was is not known to all of them."""
    file = os.open(os.environ["SCENARIO_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{message} 1 {time.monotonic():.4f}\n".encode())
    os.close(file)


def ask(message: str) -> None:
    """Call the provider; raises `OSError` if it does not answer, or refuses."""
    address = f"http://127.0.0.1:{os.environ['SCENARIO_SERVICE']}/call/{message}"
    with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
        answer.read()
    done(message)


def resize(message: str) -> None:
    """Nothing that has to do with the provider."""
    time.sleep(0.005)
    done(message)
