"""Whether the clocks of this host and of a server agree, as `doctor` says it."""

from collections.abc import Iterator

from forebay.model.finding import Finding, warn

#: Seconds by which they may differ.
APART = 1.0


def clocks(ahead: float) -> Iterator[Finding]:
    """What there is to say if the server's is so many seconds ahead of this host's; nothing if they agree."""
    if abs(ahead) > APART:
        yield warn(
            "clock", f"the server's is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this host's",
            "messages are due by the server's; set both by NTP",
        )  # fmt: skip
