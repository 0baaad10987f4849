"""Another Python like this one is started with the options that this one has."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "option", ["int_max_str_digits=5000", "warn_default_encoding", "utf8=1", "dev", "no_debug_ranges", "tracemalloc=3"]
)
def test_every_option_of_the_interpreter_is_passed_on_once(option):
    code = "from forebay.work.python import interpreter; print(*interpreter(), sep=chr(10))"
    said = subprocess.run([sys.executable, "-X", option, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [part.partition("=")[0] for part in said.splitlines()].count(option.partition("=")[0]) == 1
    again = subprocess.run(
        [*said.split(), "-c", "import sys; print(sys._xoptions)"], capture_output=True, text=True, check=True
    )
    assert option.partition("=")[0] in again.stdout
