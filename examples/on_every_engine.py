"""Run `15_any_engine.py`, as it stands, on every engine: in memory, on SQLite, and on the servers whose URLs are given.

    python on_every_engine.py postgresql://localhost/test redis://localhost:6379/0

Ends with 0 if it prints on each what its first lines promise. Each server gets a namespace of its own.
"""

import ast
import contextlib
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

EXAMPLE = Path(__file__).with_name("15_any_engine.py")
#: A worker and the program in one process, since nothing else sees what is in memory.
IN_MEMORY = """
import importlib, threading, time
from forebay.testing import drain
example, done = importlib.import_module("15_any_engine"), threading.Event()
def work():
    while not done.wait(0.01):
        drain(example.app)
worker = threading.Thread(target=work)
worker.start()
example.main()
done.set()
worker.join()
"""


@contextlib.contextmanager
def worker(environment):
    """A worker of the example, which ends in order."""
    words = [sys.executable, "-m", "forebay", "worker", "-A", EXAMPLE.stem, "--log-level", "error"]
    process = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def printed(url, folder):
    """What the example prints there."""
    place = {"FOREBAY_URL": url, "PYTHONPATH": str(EXAMPLE.parent)}
    if url.startswith(("postgresql:", "redis")):
        place["FOREBAY_NAMESPACE"] = f"example_{uuid.uuid4().hex[:8]}"
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}, **place}
    program = ["-c", IN_MEMORY] if url == "memory://" else [EXAMPLE]
    with contextlib.nullcontext() if url == "memory://" else worker(environment):
        done = subprocess.run(
            [sys.executable, *program],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    return done.stdout + (done.stderr if done.returncode else "")


def main(urls):
    """How many engines print something else."""
    promised = ast.get_docstring(ast.parse(EXAMPLE.read_text())).partition("Prints:\n\n")[2]
    expected = [line.strip() for line in promised.splitlines()]
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        for url in ["memory://", f"sqlite:///{folder}/any.db", *urls]:
            said = printed(url, folder).splitlines()
            different += said != expected
            print(f"{url.partition(':')[0]:12} {'the same' if said == expected else 'DIFFERENT'}")
            if said != expected:
                print("\n".join(said))
    return different


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
