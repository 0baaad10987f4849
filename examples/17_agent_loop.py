"""An agent: a model that calls tools, one message a step, within a budget of tokens. Offline: the model is a stand-in.

    forebay worker -A 17_agent_loop
    python 17_agent_loop.py

Prints:

    step 1: multiply [6, 7]
    step 2: the answer is 42
    step 1: multiply [6, 7]
    step 2: gave up: no tokens are left
"""

import json
from urllib.request import Request, urlopen

import stand_in_model

from forebay import Context, Forebay

app = Forebay("sqlite:///examples.db")
# All agents of all workers share these. When one is used up nothing is asked until the next minute or day begins.
app.provider("llm", budget=["1_000_000/day", "600 calls/min"], concurrency=4)
tools = {"multiply": lambda one, other: one * other}
model: list[str] = []


@app.on_start
def start() -> None:
    model.append(stand_in_model.start())


@app.task(provider="llm", cost=lambda said, **_: sum(map(len, said)) // 4, timeout=60)  # about so many tokens
def step(said: list[str], left: int, ctx: Context) -> tuple[str, str | None]:
    """What came of it, and the id of the next step: a message of its own, so that a crash repeats one step."""
    if left <= 0:
        return "gave up: no tokens are left", None
    with urlopen(Request(model[0], json.dumps(said).encode())) as reply:
        answer = json.load(reply)
    ctx.spent(answer["tokens"])  # so many it really were
    if "text" in answer:
        return answer["text"], None
    result = tools[answer["tool"]](*answer["args"])
    name = f"{ctx.root}-{len(said)}"  # the same when this step runs again, and then it is there already
    following = step.using(id=name).enqueue([*said, f"result: {result}"], left - answer["tokens"])
    return f"{answer['tool']} {answer['args']}", following.id


if __name__ == "__main__":
    for tokens in (1_000, 90):
        handle = step.enqueue(["what is 6 times 7?"], tokens)
        for number in range(1, 20):
            text, following = handle.result(timeout=60)
            print(f"step {number}: {text}")
            if following is None:
                break
            handle = step.handle(following)
