"""Whether the tables of a file are those that its version stands for. Reads, and changes nothing.

Before the first release a number could change its meaning: such a file is told by what it lacks, not by its number.
"""

from functools import cache

import apsw

#: A table with each of its columns, and each index.
_PARTS = """
select t.name || '.' || c.name from sqlite_schema t, pragma_table_xinfo(t.name) c where t.type = 'table'
union all
select i.tbl_name || '.' || i.name || ' (' || (
    select group_concat(coalesce(c.name, '…'), ', ' order by c.seqno) from pragma_index_info(i.name) c
) || ')' from sqlite_schema i where i.type = 'index' and i.sql is not null
"""


def lacking(db: apsw.Connection, statements: str) -> list[str]:
    """What a database made by these statements has, and this one has not: columns and indexes by name."""
    return sorted(_made(statements) - _parts(db))


@cache
def _made(statements: str) -> frozenset[str]:
    db = apsw.Connection(":memory:")
    try:
        db.execute(statements)
        return _parts(db)
    finally:
        db.close()


def _parts(db: apsw.Connection) -> frozenset[str]:
    return frozenset(str(name) for (name,) in db.execute(_PARTS))
