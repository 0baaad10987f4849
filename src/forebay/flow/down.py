"""`raise ProviderDown("smtp", retry_after=30)`: the provider cannot be asked, and the attempt does not count."""

from datetime import datetime
from typing import Any

from forebay.flow.moment import moment
from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError
from forebay.model.queue import check_name


class ProviderDown(Exception):
    """What a task raises that has found a provider to be down: nothing is asked of it until then, by any worker.

    It is control flow like `Retry` and `Snooze`, and an `Exception` like them. Without a time the provider's breaker
    decides how long it is left alone.

    Args:
        provider: its name, as `app.provider` knows it.
        retry_after: until it may be asked again.
        until: the same as a time: an aware datetime, or seconds since the epoch.

    Raises:
        ConfigError: that is no name, no duration or no time; or both were given.
    """

    def __init__(
        self, provider: str, *, retry_after: Duration | None = None, until: datetime | float | None = None
    ) -> None:
        super().__init__(provider)
        if retry_after is not None and until is not None:
            raise ConfigError("ProviderDown: retry_after= and until= say the same: leave out one of them")
        self.provider = _named(provider)
        self.retry_after = None if retry_after is None else seconds(retry_after, "ProviderDown: retry_after")
        self.until = None if until is None else moment(until, "ProviderDown: until")

    def at(self, now: float) -> float | None:
        """When it may be asked again, seconds since the epoch; None if nothing was said."""
        return self.until if self.retry_after is None else now + self.retry_after

    def __str__(self) -> str:
        return f"provider {self.provider} is down"

    def __reduce__(self) -> Any:
        return _made, (type(self), self.provider, self.retry_after, self.until)


def _named(provider: str) -> str:
    try:
        return check_name("provider", provider)
    except ConfigError as error:  # most often a reason, as other exceptions take
        form = "ProviderDown takes the name of a provider, not a reason: ProviderDown('smtp', retry_after=30)"
        raise ConfigError(f"{form}; {error}") from None


def _made(cls: type[ProviderDown], provider: str, retry_after: float | None, until: float | None) -> ProviderDown:
    """One that was copied or pickled: an exception would be made again from its text alone."""
    return cls(provider, retry_after=retry_after, until=until)
