"""What is said of the keys of a provider that hold up what waits for them."""

from forebay.observe.keys import ShownKey, told


def made(n: int) -> list[ShownKey]:
    return [ShownKey(key=f"k{number}", why="rate 1/s, next in 1 s", until=5.0, waiting=1) for number in range(n)]


def test_a_few_are_named_and_the_others_counted():
    assert told([], 0) == ""
    assert told(made(1), 0) == "key k0: rate 1/s, next in 1 s"
    assert told(made(4), 0).endswith("key k2: rate 1/s, next in 1 s; and 1 more key")
    assert told(made(5), 1_000).endswith("; and 1,002 more keys")
