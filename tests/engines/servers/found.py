"""Servers that `tools/services` has started, for tests. Where one is missing, tests that need it are skipped.


With CI=true that is a failure. `FOREBAY_TEST_REDIS` and the like name another server than ours.
"""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

_TOOL = Path(__file__).parents[3] / "tools" / "services"


@cache
def url(name):
    """The URL of the server of that name; None if it is not running."""
    given = os.environ.get(f"FOREBAY_TEST_{name.upper()}")
    found = subprocess.run([_TOOL, "url", name], capture_output=True, text=True, check=False)
    return given or (found.stdout.strip() if found.returncode == 0 else None)


def needed(name):
    """Its URL; ends the test without one."""
    found = url(name)
    if found is None:
        why = f"no {name}: tools/services up {name}"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    return found
