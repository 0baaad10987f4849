"""What the audit promises: what operators did is kept, the newest lines of it, and read newest first."""

from forebay.store.records import AuditLine
from forebay.testing.conformance.kit import Kit


class TestAudits:
    def test_a_line_says_who_did_what_and_when(self, kit: Kit) -> None:
        """As it was written down, with the store's time."""
        kit.run(kit.backend.note("ann@host", "pause", "mail", "reason=holidays"))
        (line,) = kit.run(kit.backend.audits())
        assert line == AuditLine(
            seq=line.seq, at=kit.now(), actor="ann@host", verb="pause", target="mail", detail="reason=holidays"
        )

    def test_the_newest_come_first_and_pages_go_back(self, kit: Kit) -> None:
        """Whoever pages sees each line once."""
        for number in range(7):
            kit.run(kit.backend.note("ann", "resume", f"q{number}"))
        first = kit.run(kit.backend.audits(3))
        rest = kit.run(kit.backend.audits(10, before=first[-1].seq))
        assert [line.target for line in (*first, *rest)] == [f"q{number}" for number in range(6, -1, -1)]
        assert kit.run(kit.backend.audits(10, before=rest[-1].seq)) == []
