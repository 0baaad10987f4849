"""Typed arguments and results: checked at enqueue, and again before the task runs.

    forebay worker -A 03_typed_arguments
    python 03_typed_arguments.py

Prints:

    Receipt(order='A7', total=19.5)
    refused: task charge: Expected `int`, got `str` - at `$.order.items[1].pieces`; ...
"""

from dataclasses import dataclass

from forebay import BadArguments, Forebay

app = Forebay("sqlite:///examples.db")


@dataclass
class Item:
    name: str
    price: float
    pieces: int = 1


@dataclass
class Order:
    id: str
    items: list[Item]


@dataclass
class Receipt:
    order: str
    total: float


@app.task
def charge(order: Order) -> Receipt:
    return Receipt(order.id, sum(item.price * item.pieces for item in order.items))


if __name__ == "__main__":
    order = Order("A7", [Item("tea", 3.5), Item("cup", 8, pieces=2)])
    print(charge.enqueue(order).result(timeout=60))
    order.items[1].pieces = "two"
    try:
        charge.enqueue(order)
    except BadArguments as error:
        print("refused:", error)
