"""CPU-bound tasks, in processes of their own.

    forebay worker -A 10_cpu_bound --cpu 2
    python 10_cpu_bound.py

Prints:

    primes below 20000: 2262, counted in another process: True
"""

import os

from forebay import Forebay

app = Forebay("sqlite:///examples.db")
STEP = 5_000


@app.task(queue="numbers", cpu=True)
def count(start: int, end: int) -> tuple[int, int]:
    found = sum(n > 1 and all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(start, end))
    return found, os.getpid()


if __name__ == "__main__":
    handles = count.enqueue_many([(start, start + STEP) for start in range(0, 20_000, STEP)])
    answers = [handle.result(timeout=60) for handle in handles]
    elsewhere = all(pid != os.getpid() for _, pid in answers)
    print(f"primes below 20000: {sum(found for found, _ in answers)}, counted in another process: {elsewhere}")
