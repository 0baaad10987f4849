"""How long to wait before the next attempt: exponential, with full jitter.

delay = draw · min(cap, base · 2^(attempt - 1)), draw uniform in [0, 1). Full jitter spreads a crowd of retries evenly
over the window. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""


def full_jitter(attempt: int, base: float, cap: float, draw: float) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1).

    Args:
        base: the window after the first failure, seconds.
        cap: the largest window, seconds.
        draw: a random number in [0, 1), passed in.
    """
    window = min(cap, base * 2.0 ** min(attempt - 1, 62))
    return draw * window
