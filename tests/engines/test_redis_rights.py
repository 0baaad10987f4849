"""A user of the server who lacks a right is not let in: a script that is refused a command half-way is not undone."""

import pytest

from engines.servers import own_redis
from forebay import EngineError, EngineRefused, Forebay
from forebay.testing import drain

NAMED = ["~{shop}:*", "&{shop}:*", "+@all", "-@dangerous", "+info"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with own_redis.running(tmp_path_factory.mktemp("redis")) as running, running.client() as admin:
        if int(admin.info()["redis_version"].partition(".")[0]) < 7:
            pytest.skip("an older server cannot tell what a user may do")
        yield running, admin


def app_of(server, rights):
    running, admin = server
    admin.flushall()
    admin.execute_command("ACL", "SETUSER", "ann", "reset", "on", ">secret", *rights)
    app = Forebay(f"redis://ann:secret@127.0.0.1:{running.port}/0", namespace="shop")

    @app.task
    def double(n: int) -> int:
        return n * 2

    return app, double


@pytest.mark.parametrize(
    ("taken", "named"),
    [
        (["resetchannels"], "PUBLISH"),  # as a user has it to whom nobody has given channels
        (["-zadd"], "ZADD"),
        (["-@keyspace"], "DEL"),
        (["-subscribe"], "SUBSCRIBE"),
        (["-hincrbyfloat"], "HINCRBYFLOAT"),
    ],
)
def test_who_lacks_a_right_is_refused_at_once_and_told_which(server, taken, named):
    _, double = app_of(server, [*NAMED, *taken])
    with pytest.raises(EngineRefused, match=f"'{named}'.*~{{namespace}}"):
        double.enqueue(1)
    assert server[1].zcard("{shop}:r:default:") == 0


def test_who_has_the_rights_that_the_page_names_may_do_all(server):
    app, double = app_of(server, NAMED)
    with app:
        double.using(priority=1).enqueue(1)
        assert [ended.value for ended in drain(app)] == [2]


def test_a_right_taken_away_meanwhile_costs_one_call_and_then_nobody_is_let_in(server):
    app, double = app_of(server, NAMED)
    admin = server[1]
    with app:
        double.enqueue(1)
        admin.execute_command("ACL", "SETUSER", "ann", "-zadd")
        for n in range(3):
            with pytest.raises(EngineError) as caught:
                double.using(id=f"later-{n}").enqueue(n)
            assert isinstance(caught.value, EngineRefused)
        admin.execute_command("ACL", "SETUSER", "ann", "+zadd")
        again = [double.using(id=f"later-{n}").enqueue(n).duplicate for n in (1, 2)]
        assert again == [False, False]
        assert sorted(ended.value for ended in drain(app)) == [2, 2, 4]
