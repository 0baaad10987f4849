"""A row of somebody else with the largest number there is: what is told is that, and not that the disk is full."""

import apsw
import pytest

from forebay import EngineError, Forebay


@pytest.mark.parametrize("max_size", [0, 10_000_000])
def test_numbers_that_are_used_up_are_told_as_what_they_are(tmp_path, max_size):
    with Forebay(f"sqlite:///{tmp_path}/q.db", max_size=max_size) as app:
        app.publish("mail", 1)
    db = apsw.Connection(f"{tmp_path}/q.db")
    db.execute("update tally set n = 9223372036854775807 where name = 'seq'")
    db.close()
    with Forebay(f"sqlite:///{tmp_path}/q.db", max_size=max_size) as app:
        for values in ([2], [2, 3]):
            with pytest.raises(EngineError, match="numbers of messages are used up"):
                app.publish_many("mail", values)
        assert len(app.messages()) == 1
