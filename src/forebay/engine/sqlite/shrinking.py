"""The file's size comes back: pages that a drained backlog left free are returned to the disk, in small steps.

Each step is a commit of its own, so that work goes on in between. Some free pages stay, since a queue that was full
once will be again. A file that was not made for it gives nothing back.
"""

from forebay.engine.sqlite.writer import Transaction, Writer

#: Pages returned by one step (a few milliseconds), steps of one round, and free pages that are nobody's hurry.
STEP, STEPS, SLACK = 500, 20, 2048


async def shrink(writer: Writer) -> None:
    """One round; ends early when there is nothing to return."""
    for _ in range(STEPS):
        if not await writer.submit(step):
            return


def step(tx: Transaction) -> int:
    """Return some pages; how many. What is free beyond `SLACK` and beyond what is in use counts as too much."""
    pages, free = (int(tx.value(f"pragma {name}")) for name in ("page_count", "freelist_count"))
    surplus = free - max(SLACK, pages - free)
    if surplus <= 0:
        return 0
    tx.rows(f"pragma incremental_vacuum({min(surplus, STEP)})")
    return pages - int(tx.value("pragma page_count"))
