"""Who rings other processes finds each of them, however shortly before it came, and wherever the folder went."""

import os
import socket

import pytest

from forebay.engine.sqlite import companions
from forebay.engine.sqlite.bells import Ringer


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "q.db-bells"
    path.mkdir()
    return path


@pytest.fixture
def ringer(folder):
    one = Ringer(folder, companions.beside(folder.stat()))
    yield one
    one.close()


def listener(folder, name):
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.bind(str(folder / name))
    one.setblocking(False)
    return one


def test_a_listener_is_heard_of_that_comes_right_after_a_look(folder, ringer):
    for number in range(100):
        ringer.ring({"queue"})
        with listener(folder, str(number)) as new:
            ringer.ring({"queue"})
            assert new.recv(100) == b"queue"


def test_a_folder_that_was_replaced_is_looked_at_and_not_the_one_of_before(folder, ringer):
    with listener(folder, "before"):
        ringer.ring({"queue"})
    folder.rename(folder.with_name("away"))
    ringer.ring({"queue"})
    folder.mkdir()
    with listener(folder, "after") as new:
        ringer.ring({"queue"})
        assert new.recv(100) == b"queue"


def test_what_is_no_folder_is_an_error_and_never_waited_for(folder, ringer):
    folder.rmdir()
    os.mkfifo(folder)
    with pytest.raises(OSError, match="directory"):
        ringer.ring({"queue"})
