"""How much memory a process may have. Above its limit it is replaced in good order; far above it, it is ended. Pure."""

#: How far above the limit a process is ended in the middle of what it runs.
FAR = 1.5


def too_heavy(memory: int, limit: int) -> str:
    """Why a process has to end at once; "" if it has not.

    Args:
        memory: its resident bytes.
        limit: those that it may have; 0 for any.
    """
    if not limit or memory <= limit * FAR:
        return ""
    return f"has outgrown its memory: {memory / 1e6:,.0f} MB, and --max-memory is {limit / 1e6:,.0f} MB"
