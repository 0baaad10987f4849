"""What the client and the server alone need, in a process of its own: `python -m benchmarks.bare` prints JSON.

No part of Forebay runs: on PostgreSQL one insert of a small row a transaction, on Redis one hash and one sorted set a
script; one by one, and a batch of a hundred in and out. These are the figures that no code above can go below.
"""

import json
import os
import time
from collections.abc import Callable

SECONDS, BATCH = 1.0, 100
BODY = b"\x81\xa4name\xa5hello"
TABLE = "create table bare (seq bigint generated always as identity primary key, id text unique, body bytea)"
INSERT = "insert into bare (id, body) values ($1, $2)"
MANY = "insert into bare (id, body) select unnest($1::text[]), unnest($2::bytea[])"
TAKE = """delete from bare where seq in (
    select seq from bare order by seq limit 100 for update skip locked) returning seq, id, body"""
PUT = """redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[1])"""
CYCLE = """for n = 1, #ARGV, 2 do
    redis.call('HSET', KEYS[1], ARGV[n], ARGV[n + 1])
    redis.call('ZADD', KEYS[2], n, ARGV[n])
end
local taken = redis.call('ZPOPMIN', KEYS[2], #ARGV / 2)
local ids = {}
for n = 1, #taken, 2 do ids[#ids + 1] = taken[n] end
local bodies = redis.call('HMGET', KEYS[1], unpack(ids))
redis.call('HDEL', KEYS[1], unpack(ids))
return {ids, bodies}"""


def rate(act: Callable[[int], object], each: int = 1) -> float:
    """How many a second, after a moment of warm-up."""
    for number in range(20):
        act(number)
    start, done = time.monotonic(), 0
    while time.monotonic() < start + SECONDS:
        act(1_000 + done)
        done += 1
    return done * each / (time.monotonic() - start)


def postgres(url: str) -> dict[str, float]:
    import psycopg

    with psycopg.connect(url, autocommit=True, prepare_threshold=2, cursor_factory=psycopg.RawCursor) as connection:
        cursor = connection.cursor(binary=True)
        cursor.execute(TABLE)
        one = rate(lambda number: cursor.execute(INSERT, (f"one{number}", BODY)))

        def cycle(number: int) -> None:
            cursor.execute(MANY, ([f"{number}-{n}" for n in range(BATCH)], [BODY] * BATCH))
            cursor.execute(TAKE)
            cursor.fetchall()

        return {"one": one, "cycle": rate(cycle, BATCH)}


def redis(url: str) -> dict[str, float]:
    from redis import Redis

    client = Redis.from_url(url)
    put, cycle = client.register_script(PUT), client.register_script(CYCLE)
    keys = ["bare:m", "bare:r", "bare:seq"]

    def several(number: int) -> None:
        cycle(keys=["bare:c", "bare:z"], args=[x for n in range(BATCH) for x in (f"{number}-{n}", BODY)])

    return {"one": rate(lambda number: put(keys=keys, args=[f"one{number}", BODY])), "cycle": rate(several, BATCH)}


def main() -> None:
    url = os.environ["BENCH_URL"]
    print(json.dumps(redis(url) if url.startswith("redis") else postgres(url)))


if __name__ == "__main__":
    main()
