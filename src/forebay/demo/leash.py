"""`python -m forebay.demo.leash worker …`: `forebay worker …` that ends when the program that started it has.

A worker goes on when its starter dies, as it should; the workers of a demo or a benchmark should not. Only the starter
has the other end of standard input.
"""

import os
import runpy
import signal
import sys
import threading
import time

#: Seconds to leave before the supervisor's process just ends; its children notice, and leave too.
PATIENCE = 8.0


def _follow() -> None:
    """End this process when its starter has gone."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)


def main() -> None:
    """Run the command line in this very process, on the leash."""
    threading.Thread(target=_follow, name="forebay-leash", daemon=True).start()
    sys.argv[0] = "forebay"
    runpy.run_module("forebay", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
