"""A Redis Cluster of a trial's own, and its scenarios: a node that dies is replaced, a slot moves while work goes on.

Three masters, and a replica of the one that holds the namespace. The replica follows a moment behind, so that a
failover may take back the last moment: that is its declared window.
"""

import itertools
import time
from pathlib import Path
from typing import Any

import redis

from forebay.testing.faults.ground import NotHere, Server
from forebay.testing.faults.load import Load
from forebay.testing.faults.servers import Redis
from forebay.testing.faults.trial import Trial
from forebay.testing.history.checker import SERVER_KILLED

#: Seconds that a failover may take back here: what is answered and not yet replicated, on a busy machine.
WINDOW = 2.0
#: Milliseconds of silence after which nodes take one for dead.
_TIMEOUT = 1_000
_SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))
#: What the engine's keys carry; a key of it says where the namespace lives.
_KEY = "{forebay}:meta"
_PATIENCE = 30.0
#: Seconds from the return until everybody has to be at work again; a node is replaced after seconds of silence.
_BACK = 15.0


class Node(Redis):
    """One of them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(folder)

    def options(self) -> dict[str, Any]:
        """Those of a node, and that a log which was cut off in mid-write is loaded."""
        return {**super().options(), "cluster-enabled": "yes", "cluster-node-timeout": _TIMEOUT}

    def ask(self, *words: object) -> Any:
        """The answer to a command."""
        client: Any = redis.Redis(port=self.port, protocol=2, decode_responses=True, socket_timeout=5)
        client.response_callbacks.clear()
        with client:
            return client.execute_command(*words)

    @property
    def id(self) -> str:
        """By which the others know it."""
        return str(self.ask("CLUSTER", "MYID"))

    @property
    def up(self) -> bool:
        """Whether its process is there."""
        return bool(self.pids())


class Cluster(Redis):
    """The nodes; `url` names the one that has the namespace at first, and another."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.nodes = [Node(folder / f"node{number}") for number in range(4)]
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[1::-1])
        self.url = f"redis://{hosts}/0"

    def start(self) -> float:
        """All of them, once each knows all."""
        for node in self.nodes:
            node.start()
        masters, extra = self.nodes[:3], self.nodes[3]
        for node, slots in zip(masters, _SLOTS, strict=True):
            node.ask("CLUSTER", "ADDSLOTSRANGE", *slots)
            for other in self.nodes:
                node.ask("CLUSTER", "MEET", "127.0.0.1", other.port)
        _until("the nodes find one another", lambda: all(_settled(node, 4) for node in self.nodes))
        extra.ask("CLUSTER", "REPLICATE", self.holder().id)
        self.followed()
        return time.monotonic()

    def holder(self) -> Node:
        """The node that has the namespace.

        Raises:
            NotHere: there is none.
        """
        found = [node for node in self.nodes if node.up and _has(node)]
        if len(found) != 1:
            raise NotHere(f"{len(found)} nodes hold the namespace")
        return found[0]

    def followed(self) -> None:
        """Wait until the holder has a replica that is in step."""
        _until("the holder has a replica", lambda: "state=online" in self.holder().ask("INFO", "replication"))

    def pids(self) -> list[int]:
        """Of all nodes."""
        return [pid for node in self.nodes for pid in node.pids()]

    def kill(self) -> None:
        """All of them."""
        for node in self.nodes:
            node.kill()

    def move(self, target: Node, pause: float) -> None:
        """Move the namespace's slot there, as `redis-cli --cluster reshard` does, so many seconds after every few keys.

        Meanwhile some of its keys are here, and some there.
        """
        source = self.holder()
        slot = source.ask("CLUSTER", "KEYSLOT", _KEY)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 4):
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
            time.sleep(pause)
        for node in (target, source, *self.nodes[:3]):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)


def _settled(node: Node, count: int) -> bool:
    info = node.ask("CLUSTER", "INFO")
    return "cluster_state:ok" in info and f"cluster_known_nodes:{count}" in info


def _has(node: Node) -> bool:
    """Whether it is a master, and has the slot by its own account."""
    slot = int(node.ask("CLUSTER", "KEYSLOT", _KEY))
    own = next(line for line in node.ask("CLUSTER", "NODES").splitlines() if "myself" in line).split()
    spans = (span.partition("-") for span in own[8:] if not span.startswith("["))
    return "master" in own[2] and any(int(low) <= slot <= int(high or low) for low, _, high in spans)


def _until(what: str, condition: Any) -> None:
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            if condition():
                return
        except (redis.RedisError, NotHere):
            pass
        if time.monotonic() > give_up:
            raise NotHere(f"not within {_PATIENCE:g} s: {what}")
        time.sleep(0.05)


def _cluster(trial: Trial) -> Cluster:
    trial.stand_on(Cluster)
    server: Server = trial.server
    assert isinstance(server, Cluster)
    return server


def failover(trial: Trial, times: int = 3) -> None:
    """T6c: the node that holds the namespace is killed, its replica takes over; then it is back as a replica."""
    cluster, number = _cluster(trial), itertools.count()
    load = Load(trial)
    while next(number) < times:
        trial.pause(0.2, 0.8)
        old = cluster.holder()
        trial.fault(*SERVER_KILLED)
        old.kill()
        killed = time.monotonic()
        _until("the replica takes over", cluster.holder)
        back = time.monotonic()
        trial.fault("failover", f"after {back - killed:.1f} s")
        load.comes_back(back)
        old.start()
        cluster.followed()
    load.finish(within=_BACK)
    trial.notes.append(f"failed over {times} times; declared loss window {WINDOW:g} s")


def resharding(trial: Trial, times: int = 4) -> None:
    """T6m: the slot of the namespace moves from node to node, slowly, while fleets work and a producer publishes."""
    cluster = _cluster(trial)
    load = Load(trial)
    for turn in range(times):
        trial.pause(0.2, 0.8)
        others = [node for node in cluster.nodes[:3] if node is not cluster.holder()]
        pause = trial.random.choice((0.0, 0.02, 0.3 if turn % 2 else 0.1))
        trial.fault("slot moves", f"{pause} s after each few keys")
        cluster.move(trial.random.choice(others), pause)
        trial.fault("slot moved")
        load.comes_back(time.monotonic())
    load.finish(within=_BACK)
