"""The demo's app: a task per source file, a consumer that gathers what they counted, a task per finished package.

Every step may run twice, for a worker may die between its last line and its settle. So each one only ever *replaces*
what it wrote before, under the name of the file or of the package: once or twice, the index is the same.
"""

import msgspec

from forebay import DeadLetter, Forebay, Message
from forebay.demo.count import LIBRARY, count_source, merge
from forebay.demo.index import Counted, Index
from forebay.engine.sqlite.address import path_of

app = Forebay("sqlite:///forebay-demo.db")
index = Index(path_of(app.settings.url).with_name("index.db"))


@app.task(queue="files", retry=3, timeout=60, cpu=True)
def count_file(path: str, package: str, of: int) -> None:
    """Count one source file, one `of` so many in its package, and pass the count on."""
    count, problem = count_source(LIBRARY / path)
    app.publish("counted", Counted(path, package, of, count))
    if problem:
        raise DeadLetter(problem)


@app.consume("counted", batch=50, max_wait=0.1)
def gather(messages: list[Message]) -> None:
    """Keep a batch of counts in one transaction; whoever brings a package's last file has it summarised."""
    counts = [msgspec.convert(message.value, Counted) for message in messages]
    summarise.enqueue_many([(package,) for package in index.keep(counts)])


@app.task(queue="packages", priority=1)
def summarise(package: str) -> None:
    """Merge the counts of a package's files into one."""
    index.summarise(package, merge(index.counts(package)))
