"""Whose a new database is, and what lies beside it: its owner's alone, or a group's where the folder says so."""

import os
import stat
from types import SimpleNamespace

import pytest

from forebay import Forebay
from forebay.engine.sqlite import companions


@pytest.mark.parametrize(
    ("folder", "mode", "gid"),
    [
        (0o755, 0o600, 7),
        (0o700, 0o600, 7),
        (0o2770, 0o660, 9),
        (0o775, 0o660, 9),
        (0o1777, 0o600, 7),
        (0o777, 0o600, 7),
    ],
)
def test_a_new_database_is_the_groups_where_its_folder_may_be_written_by_it_and_not_by_everybody(folder, mode, gid):
    rights = companions.of_new(SimpleNamespace(st_mode=stat.S_IFDIR | folder, st_gid=9), uid=5, gid=7)
    assert rights == (5, gid, mode)


@pytest.mark.parametrize(
    ("database", "mode"), [(0o600, 0o600), (0o660, 0o660), (0o640, 0o600), (0o644, 0o600), (0o666, 0o666)]
)
def test_what_lies_beside_a_database_may_be_used_by_those_who_may_write_it(database, mode):
    found = SimpleNamespace(st_mode=stat.S_IFREG | database, st_uid=5, st_gid=9)
    assert companions.beside(found) == (5, 9, mode)


@pytest.mark.parametrize(("folder", "mode", "bells"), [(0o2770, 0o660, 0o770), (0o700, 0o600, 0o700)])
def test_all_files_follow_the_folder_whatever_the_umask_says(tmp_path, folder, mode, bells):
    tmp_path.chmod(folder)
    before = os.umask(0o077)
    try:
        app = Forebay(f"sqlite:///{tmp_path}/q.db")
        handle = app.publish("q", 1)
        while not (tmp_path / "q.db-bells").exists():  # who waits listens, once there is time for it
            with pytest.raises(TimeoutError):
                handle.result(timeout=0.01)
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()}
        sockets = {entry.stat().st_mode & 0o777 for entry in (tmp_path / "q.db-bells").iterdir()}
    finally:
        os.umask(before)
    assert modes.pop("q.db-bells") == bells
    assert set(modes.values()) == {mode}
    assert sockets == {mode}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root")
def test_root_who_looks_leaves_nothing_of_its_own(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:
        app.publish("q", 1)
    for entry in [tmp_path, *tmp_path.iterdir()]:
        os.chown(entry, 65534, 65534)
    (tmp_path / "q.db-lock").unlink()
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:
        app.queues()
        assert {entry.stat().st_uid for entry in tmp_path.iterdir()} == {65534}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root")
def test_root_gives_nothing_away_that_a_link_points_to(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/q.db"):
        pass
    os.chown(tmp_path / "q.db", 65534, 65534)
    secret = tmp_path / "secret"
    secret.touch(0o600)
    (tmp_path / "q.db-lock").unlink()
    (tmp_path / "q.db-lock").symlink_to(secret)
    with pytest.raises(Exception, match=r"q\.db-lock"):
        Forebay(f"sqlite:///{tmp_path}/q.db").publish("q", 1)
    assert secret.stat().st_uid == 0
