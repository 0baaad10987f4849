"""An app whose tasks ask an HTTP server: what it answers is what the provider is."""

import os
import urllib.request

from forebay import Breaker, Forebay

app = Forebay()
app.provider("api", concurrency=8, breaker=Breaker(min_calls=4, open_for=0.5, max_open=0.5), ramp=0.4)


@app.task(queue="asks", provider="api", retry=1)
def ask(number: int) -> int:
    request = urllib.request.Request(os.environ["FOREBAY_TEST_API"], headers={"x-pid": str(os.getpid())})
    with urllib.request.urlopen(request, timeout=20):
        return number


@app.task(queue="tells", provider="api", retry=1)
def tell(number: int) -> int:
    return ask(number)


@app.task(queue="asks")
def add(number: int) -> int:
    return number + 1
