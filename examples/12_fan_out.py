"""Fan-out: one task enqueues many; each message carries where it came from.

    forebay worker -A 12_fan_out
    python 12_fan_out.py

Prints:

    3 shops, each asked by the same message: True
"""

from forebay import Context, Forebay

app = Forebay("sqlite:///examples.db")


@app.task
def ask(context: Context, shop: str) -> str:
    return f"{shop} asked by {context.headers['forebay-parent']}"


@app.task
def ask_all(context: Context, shops: list[str]) -> list[str]:
    # A unique key, made from the id that is the same at every try, keeps a second try from asking twice.
    return [ask.using(unique=f"ask:{context.id}:{shop}").enqueue(shop).id for shop in shops]


if __name__ == "__main__":
    parent = ask_all.enqueue(["north", "south", "west"])
    answers = [app.handle(id_).result(timeout=60) for id_ in parent.result(timeout=60)]
    print(f"{len(answers)} shops, each asked by the same message: {all(parent.id in answer for answer in answers)}")
