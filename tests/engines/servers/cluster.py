"""A Redis Cluster of a test's own: three nodes on loopback, each with a third of the slots, without replicas.

`python -m engines.servers.cluster COMMAND …` runs a command with FOREBAY_TEST_REDIS set to one of them.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engines.servers.own_redis import PATIENCE, OwnRedis

SLOTS = [(0, 5460), (5461, 10922), (10923, 16383)]


class Node(OwnRedis):
    """One of them."""

    def ask(self, *words):
        with self.client() as client:
            return client.execute_command(*words)

    def settled(self):
        info = self.ask("CLUSTER", "INFO")  # taken apart by some versions of the client
        return info["cluster_state"] == "ok" if isinstance(info, dict) else b"cluster_state:ok" in info

    def holds(self, key):
        """Whether this node has the slot of a key."""
        slot = self.ask("CLUSTER", "KEYSLOT", key)
        low, high = SLOTS[self.place]
        return low <= int(slot) <= high


@contextlib.contextmanager
def running(folder):
    """The nodes, once each knows all."""
    nodes = []
    with contextlib.ExitStack() as stack:
        for place in range(len(SLOTS)):
            (home := Path(folder) / f"node{place}").mkdir()
            node = Node(home)
            node.place = place
            stack.callback(node.kill)
            nodes.append(node.start(cluster_enabled="yes", cluster_node_timeout=2000, appendfsync="everysec"))
            node.ask("CLUSTER", "ADDSLOTSRANGE", *SLOTS[place])
        for node in nodes[1:]:
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        end = time.monotonic() + PATIENCE
        while not all(node.settled() for node in nodes):
            assert time.monotonic() < end, "the nodes do not find one another"
            time.sleep(0.05)
        yield nodes


def main():
    with tempfile.TemporaryDirectory() as folder, running(folder) as nodes:
        place = {**os.environ, "FOREBAY_TEST_REDIS": nodes[0].url}
        return subprocess.run(sys.argv[1:], env=place, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
