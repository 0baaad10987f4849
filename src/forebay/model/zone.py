"""Time zones by their names, and what to do where one is not known. Reads the database of the system, or tzdata's."""

from datetime import tzinfo


def zone(name: str) -> tzinfo:
    """The zone of the IANA database that has this name.

    Raises:
        ValueError: it is not known on this host; says what to do.
    """
    from zoneinfo import ZoneInfo  # takes a while to import, and few have a zone

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError(f"time zone {name!r} is not known here: {_advice()}") from error


def _advice() -> str:
    """Small images of containers come without a single zone: there the name is not what is wrong."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo.no_cache("UTC")
    except (LookupError, ValueError, OSError):
        return "this host has no time zones at all: install tzdata, by its package manager or with `pip install tzdata`"
    return "use an IANA name such as Europe/Vienna; of a newer zone, update tzdata on this host"
