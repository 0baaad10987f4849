"""Our loggers: each is guarded against handlers that fail."""

import logging
import re
from pathlib import Path

import pytest

import forebay
from forebay.model.log import NAMES, Guard

SOURCE = Path(forebay.__file__).parent


class Failing(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError(record.getMessage())


def test_every_logger_that_is_written_to_is_guarded():
    written = re.compile(r'(?:getLogger\(|LOGGER = )"(forebay\.\w+)"')
    used = {name for file in SOURCE.rglob("*.py") for name in written.findall(file.read_text("utf-8"))}
    assert used == set(NAMES)
    assert all(isinstance(logging.getLogger(name).handle, Guard) for name in NAMES)


def test_a_handler_that_fails_is_told_once_and_its_lines_go_to_standard_error(capsys):
    handler, logger = Failing(), logging.getLogger("forebay.engine")
    logging.getLogger("forebay").addHandler(handler)
    try:
        for _ in range(2):
            logger.error("the engine is gone, says the test of the guard")
    finally:
        logging.getLogger("forebay").removeHandler(handler)
    lines = capsys.readouterr().err.splitlines()
    assert lines.count("the engine is gone, says the test of the guard") == 2
    assert sum(line.startswith("a log handler failed at a record of forebay.engine") for line in lines) == 1


def test_what_is_no_logger_of_ours_is_left_alone():
    handler, logger = Failing(), logging.getLogger("shop")
    logger.addHandler(handler)
    try:
        with pytest.raises(RuntimeError, match="theirs to see"):
            logger.error("theirs to see")
    finally:
        logger.removeHandler(handler)
