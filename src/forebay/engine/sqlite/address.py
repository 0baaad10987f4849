"""From a URL to the path of a file, and back. What is not understood is refused, so that no two readings exist.

`sqlite:///relative.db` and `sqlite:////absolute.db`, with `%` and two digits for what means something in a URL. Looks
at no file.
"""

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from forebay.config import masked
from forebay.model.errors import ConfigError

_BEGINNING = "sqlite:///"
_USUAL = "write sqlite:///name.db, or sqlite:////folder/name.db for an absolute path"
#: What a path may not hold as it stands, with what to do about it.
_SIGNS: dict[str, str] = {
    r"#": "what stands after # would be dropped: write %23 for a # in a name",
    r"\?": "an address of a file takes no options: write %3F for a ? in a name",
    r"%(?![0-9A-Fa-f]{2})": "% begins two hexadecimal digits: write %25 for a % in a name",
    r"^\s|\s$": "it begins or ends with a space: leave it out, or write %20 if the name has one",
    r"[\x00-\x1f\x7f]": "it has a control character: leave it out",
    r"[\ud800-\udfff]": "it is no text: write the bytes of the name as % and two hexadecimal digits",
    r"^~": "~ is not expanded: write the folder itself",
    r"^//": f"it has a slash too many: {_USUAL}",
}


def path_of(url: str) -> Path:
    """The file that a URL names; a relative path stays relative.

    Raises:
        ConfigError: it names no file, or may be read in two ways; the error says what to write.
    """
    scheme, colon, rest = url.partition(":")
    if scheme.lower() + colon != "sqlite:" or not rest.startswith("///"):
        raise _refused(url, f"it names no file: {_host(rest)}{_USUAL}")
    text = rest[3:]
    for sign, advice in _SIGNS.items():
        if re.search(sign, text):
            raise _refused(url, advice)
    path = os.fsdecode(unquote_to_bytes(text))
    if "\0" in path:
        raise _refused(url, "no name of a file may hold a NUL (%00): leave it out")
    name = path.rpartition("/")[2]
    if name == ":memory:":
        raise _refused(url, "SQLite in memory is not used here: write memory:// for queues inside one process")
    if name in ("", ".", ".."):
        raise _refused(url, f"it names {'a folder' if path else 'no file'}: {_USUAL}")
    return Path(path)


def url_of(path: Path) -> str:
    """The URL of a file."""
    return _BEGINNING + re.sub("^~", "%7E", quote(os.fsencode(path), safe="/:+,=@"))


def _host(rest: str) -> str:
    """What to say of something between // and the path, which people know from servers."""
    return "a file has no host, user or password; " if rest.startswith("//") and rest.strip("/") else ""


def _refused(url: str, why: str) -> ConfigError:
    return ConfigError(f"{masked(url)!r} cannot be used: {why}")
