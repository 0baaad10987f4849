"""What a run that has ended says about the provider that it called. Pure; what follows from it is `flow.breaker`'s."""

from forebay.model import outcome
from forebay.model.outcome import Outcome, Park
from forebay.model.provider import Call, key_in, unkeyed
from forebay.model.verdict import Kind
from forebay.work.run import Run


def said(run: Run, result: Outcome, slow: bool, took: float) -> Call:
    """What a run says about its provider."""
    park = result if isinstance(result, Park) and result.provider else None
    ok: bool | None = None
    if park is not None and park.blame == "throttle" and unkeyed(park.lane) != park.lane:
        why = park.reason.partition(": ")[2]  # that is about a key, and says nothing about the others
        return Call(run.time.told, None, parked=True, until=park.until, reason=why, key=key_in(park.lane))
    if park is not None:  # one that throttles and does not say until when has failed
        ok = None if park.blame == "throttle" and park.until is not None else False
    elif isinstance(result, outcome.Ack) or (run.verdict is not None and run.verdict.kind is Kind.REJECTED):
        ok = True
    elif run.verdict is not None and run.verdict.kind is Kind.OUTAGE:
        ok = False
    elif run.verdict is not None and run.verdict.kind is Kind.THROTTLE and run.elsewhere:
        ok = None if run.until is not None else False
    why = run.verdict.reason if ok is False and run.verdict is not None else ""
    back = park if not run.elsewhere else result if isinstance(result, outcome.Release) else None
    return Call(
        run.time.told, ok, slow=slow and ok is not None, until=run.until if park is None else park.until,
        reason=why if back is None else back.reason.partition(": ")[2],
        down=park is not None and park.blame == "down", parked=park is not None,
        throttled=run.verdict is not None and run.verdict.kind is Kind.THROTTLE, took=took,
    )  # fmt: skip
