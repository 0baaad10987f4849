"""Commands switch the garbage collector off while they import: in a program that has it off, it stays off."""

import gc
import signal

import pytest

from forebay_command import main


@pytest.mark.parametrize("on", [True, False])
def test_a_command_within_a_program_leaves_the_collector_as_it_was(on, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["forebay", "queues", "--help"])
    was, interrupt = gc.isenabled(), signal.getsignal(signal.SIGINT)
    try:
        (gc.enable if on else gc.disable)()
        assert main() == 0
        assert gc.isenabled() is on
    finally:
        (gc.enable if was else gc.disable)()
        gc.unfreeze()
        signal.signal(signal.SIGINT, interrupt)
    assert "Usage" in capsys.readouterr().out
