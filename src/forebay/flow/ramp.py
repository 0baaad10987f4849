"""How a provider that is back is asked again: by two at a time, then four, then eight, up to what is usual. Pure."""

from forebay.model.provider import Terms

#: What is taken for usual where nobody has bounded it.
USUAL = 64


def top(concurrency: int | None) -> int:
    """The last step of a ramp."""
    return USUAL if concurrency is None else concurrency


def steps(terms: Terms) -> int:
    """How many steps there are before what is usual."""
    return max(0, (top(terms.concurrency) - 1).bit_length() - 1)


def first(terms: Terms) -> int | None:
    """How many may ask after the first probe that succeeded; None: as many as usual."""
    return None if terms.ramp <= 0 or not steps(terms) else 2


def following(terms: Terms, level: int, spent: float) -> int | None:
    """How many may ask after a step of `spent` seconds in which it has answered; None: as many as usual."""
    if spent < terms.ramp / steps(terms):
        return level
    return level * 2 if level * 2 < top(terms.concurrency) else None
