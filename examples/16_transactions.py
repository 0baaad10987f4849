"""Transactions: an order and its task are committed together, and so are a task's effect and its end.

    forebay worker -A 16_transactions
    python 16_transactions.py

Prints:

    the order that failed left nothing: True
    2 orders, each shipped once: True
"""

import contextlib

import apsw

from forebay import Context, Forebay

app = Forebay("sqlite:///examples.db")


@contextlib.contextmanager
def database():
    # Your own connection, to the file of the queue; with PostgreSQL it is one of psycopg, SQLAlchemy or Django.
    with contextlib.closing(apsw.Connection("examples.db")) as db:
        db.set_busy_timeout(10_000)
        db.execute("create table if not exists orders (id integer primary key, customer text, shipped int default 0)")
        yield db


@app.task
def ship(context: Context, order: int) -> str:
    with database() as db, db:
        db.execute("update orders set shipped = shipped + 1 where id = ?", (order,))
        context.complete_in(db, f"order {order} shipped")  # committed with the update; killed after that it is done


def buy(db: apsw.Connection, customer: str, card: str):
    with db:
        db.execute("insert into orders (customer) values (?)", (customer,))
        handle = ship.enqueue(db.last_insert_rowid(), in_transaction=db)
        if not card:
            raise ValueError("no card")
        return handle


if __name__ == "__main__":
    with app, database() as db:
        handles = [buy(db, "ann", "visa"), buy(db, "bob", "visa")]
        with contextlib.suppress(ValueError):
            buy(db, "cy", "")
        for handle in handles:
            handle.result(timeout=60)
        rows = db.execute("select customer, shipped from orders").fetchall()
        print(f"the order that failed left nothing: {'cy' not in dict(rows)}")
        print(f"{len(handles)} orders, each shipped once: {all(shipped == 1 for _, shipped in rows)}")
