"""Which file system a path is on, told from what Linux says of its mounts."""

from pathlib import Path

import pytest

from forebay.engine.sqlite.place import MEMORY, NETWORK, file_system

MOUNTS = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:25 / /mnt/team rw,relatime shared:9 - nfs4 server:/team rw,vers=4.2
31 22 0:26 / /mnt/team/fast rw,relatime shared:10 - xfs /dev/sdb1 rw
32 22 0:27 / /dev/shm rw,nosuid shared:3 - tmpfs tmpfs rw
33 22 0:28 / /mnt/two\\040words rw shared:4 - cifs //server/share rw
34 22 0:29 / /over rw shared:5 - ext4 /dev/sdc1 rw
35 34 0:30 / /over rw shared:6 - fuse.sshfs host: rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/q.db", "ext4"),
        ("/mnt/team/q.db", "nfs4"),
        ("/mnt/team/fast/q.db", "xfs"),
        ("/mnt/teams/q.db", "ext4"),
        ("/dev/shm/q.db", "tmpfs"),
        ("/mnt/two words/q.db", "cifs"),
        ("/over/q.db", "fuse.sshfs"),
    ],
)
def test_the_longest_and_latest_mount_counts(path, kind):
    assert file_system(Path(path), MOUNTS) == kind


def test_it_is_unknown_where_nothing_is_said():
    assert file_system(Path("/q.db"), "") == ""


def test_kinds_that_destroy_or_forget_are_known():
    assert {"nfs4", "cifs", "fuse.sshfs"} <= NETWORK
    assert "tmpfs" in MEMORY
