"""`python -m forebay.testing.history FOLDER`: judge a history that was kept, long after its processes are gone."""

import sys
from pathlib import Path

from forebay.testing.history import Rules, describe, judge, read, sort


def main(arguments: list[str]) -> int:
    """Print the report; 0 if every promise was kept, 1 if not, 2 if there is no history."""
    folder = Path(arguments[0]) if len(arguments) == 1 else None
    if folder is None or not any(folder.glob("*.jsonl")):
        sys.stderr.write("error: name one folder that holds a history: python -m forebay.testing.history FOLDER\n")
        return 2
    found = sort(read(folder))
    verdict = judge(found, Rules())
    sys.stdout.write(describe(verdict, found) + "\n")
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
