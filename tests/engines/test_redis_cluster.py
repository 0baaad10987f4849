"""A namespace in a Redis Cluster lives on one node, to which any node leads. `make cluster` runs the whole suite."""

import os
import socket
import subprocess
import sys

import pytest

from engines.servers import cluster, own_redis
from forebay import Forebay
from forebay.cli.root import main
from forebay.engine import patience
from forebay.model.errors import ConfigError, EngineRefused, EngineUnreachable, OutcomeUnknown

APP = """
from forebay import Forebay
app = Forebay()
@app.task(name="double")
def double(n: int) -> int:
    return 2 * n
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    with cluster.running(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.mark.parametrize("named", [0, 1, 2])
def test_any_node_leads_to_the_one_that_holds_the_namespace(nodes, named):
    namespaces = [f"shop-{number}-{named}" for number in range(8)]
    for namespace in namespaces:
        with Forebay(nodes[named].url, namespace=namespace) as app:
            app.publish("q", b"one")
            app.publish("q", b"two")
            assert [queue.ready for queue in app.queues()] == [2]
    keys = {node.place: [key.decode() for key in node.ask("KEYS", f"*-{named}}}:*")] for node in nodes}
    for node in nodes:
        assert all(node.holds(key) for key in keys[node.place])
    assert {key.partition("}")[0][1:] for found in keys.values() for key in found} == set(namespaces)


def test_a_worker_at_one_node_does_what_was_sent_through_another(nodes, tmp_path):
    (tmp_path / "clustered.py").write_text(APP)
    place = {**os.environ, "FOREBAY_URL": nodes[1].url, "PYTHONPATH": str(tmp_path), "FOREBAY_NAMESPACE": "both"}
    handles = []
    for node in nodes:
        app = Forebay(node.url, namespace="both")
        double = app.task(name="double")(lambda n: 2 * n)
        handles.append(double.enqueue(len(handles)))
    words = [sys.executable, "-m", "forebay", "worker", "-A", "clustered:app", "--burst", "-p", "1"]
    subprocess.run(words, env=place, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert [handle.result(timeout=60) for handle in handles] == [0, 2, 4]


def test_doctor_looks_at_the_node_that_holds_the_namespace(nodes, monkeypatch, capsys):
    holder = next(node for node in nodes if node.holds("{examined}:meta"))
    other = next(node for node in nodes if node is not holder)
    with Forebay(other.url, namespace="examined") as app:
        app.publish("q", b"one")
    holder.ask("CONFIG", "SET", "appendfsync", "no")
    monkeypatch.setenv("FOREBAY_URL", other.url)
    monkeypatch.setenv("FOREBAY_NAMESPACE", "examined")
    main(["doctor"])
    said = capsys.readouterr().out
    assert "schema 1" in said
    assert "appendfsync no" in said


def test_a_node_that_evicts_is_refused_whichever_is_named(nodes):
    holder = next(node for node in nodes if node.holds("{evicted}:meta"))
    holder.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        for node in nodes:
            with pytest.raises(EngineRefused, match="noeviction"):
                Forebay(node.url, namespace="evicted").publish("q", b"one")
    finally:
        holder.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_another_database_than_the_first_is_refused_with_what_to_write(nodes):
    with pytest.raises(EngineRefused, match="end the URL in /0"):
        Forebay(nodes[0].url.removesuffix("0") + "3").publish("q", b"one")


def test_while_its_slot_is_half_moved_a_namespace_waits_and_nothing_happens_by_halves(nodes, monkeypatch):
    source = next(node for node in nodes if node.holds("{moving}:meta"))
    target = next(node for node in nodes if node is not source)
    slot = source.ask("CLUSTER", "KEYSLOT", "{moving}:meta")
    here, there = (node.ask("CLUSTER", "MYID") for node in (source, target))

    def move(*keys):
        source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    with Forebay(nodes[0].url, namespace="moving") as app:
        app.publish("q", b"one")
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", here)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", there)
        move(*(key for key in source.ask("KEYS", "{moving}:*") if not key.endswith((b":meta", b":queues", b":lanes"))))
        before = source.ask("HGETALL", "{moving}:meta")
        with monkeypatch.context() as hasty:
            hasty.setattr(patience, "DEADLINE", 0.5)
            with pytest.raises((EngineUnreachable, OutcomeUnknown), match="moved to another node"):
                app.publish("q", b"two")
        assert source.ask("HGETALL", "{moving}:meta") == before
        move(*source.ask("KEYS", "{moving}:*"))
        for node in (target, source, *nodes):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", there)
        app.publish("q", b"two")
        assert [(queue.ready, queue.published) for queue in app.queues()] == [(2, 2)]


def test_of_several_nodes_in_the_url_one_that_answers_is_enough(nodes):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = closed.getsockname()[1]
    with Forebay(f"redis://127.0.0.1:{gone},127.0.0.1:{nodes[1].port}/0", namespace="any") as app:
        app.publish("q", b"one")
        assert [queue.ready for queue in app.queues()] == [1]


def test_several_hosts_that_are_no_cluster_are_refused(tmp_path):
    with own_redis.running(tmp_path) as server, pytest.raises(EngineRefused, match="no cluster"):
        Forebay(f"redis://127.0.0.1:{server.port},127.0.0.1:{server.port}/0").publish("q", b"one")


@pytest.mark.parametrize("hosts", ["one,,two", "one:x,two", ",one", "one,two:99999"])
def test_a_list_of_hosts_with_a_gap_is_refused(hosts):
    with pytest.raises(ConfigError, match="a host is missing, or a port is no number"):
        Forebay(f"redis://user:pass@{hosts}/0").publish("q", b"one")
