"""Reading and stopping messages, and the verbs for many."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from forebay.engine.redis import forms
from forebay.engine.redis.leasing import SWEEP
from forebay.engine.redis.looking import WINDOW, Looking, Seen, chosen, index
from forebay.engine.redis.server import is_short
from forebay.engine.redis.talk import Batch, Reading, Talk
from forebay.model.lifecycle import FINAL, LIVE, State
from forebay.model.ruling import CANCELLED, EXPIRED
from forebay.store.records import Choice, Found, Query

#: The share of the oldest ends that is forgotten at once when memory is short.
FORGOTTEN = 0.1

_CANCELLED, _EXPIRED = forms.tail(CANCELLED), forms.tail(EXPIRED)


class Inspecting:
    """`Inspects` and `DeadLetters`, over a connection that writes and one that looks."""

    def __init__(self, talk: Talk, looking: Looking, keep: float) -> None:
        self._talk, self._looking, self._keep = talk, looking, keep

    async def messages(self, query: Query) -> list[Found]:
        """See `Inspects.messages`."""
        await self._talk.carry(_ripen)
        after = 0
        if query.after is not None:
            number = await self._looking.number(query.after)
            if number is None:
                return []  # gone meanwhile: better a short list than the first page again
            after = number
        found: list[Found] = []
        if query.limit > 0:
            async for seen in self._along(query.state, query.queue, after):
                found += [one.found for one in seen if _matches(query, one.found)]
                if len(found) >= query.limit:
                    break
        return found[: query.limit]

    async def _along(self, state: State | None, queue: str | None, after: int) -> AsyncIterator[list[Seen]]:
        if state is State.RUNNING:  # few among many
            yield [one for one in await self._looking.running() if one.number > after]
            return
        async for seen in self._looking.walk(index(state), queue, after):
            yield seen

    async def latest(self, limit: int) -> list[Found]:
        """See `Inspects.latest`."""
        await self._talk.carry(_ripen)
        return await self._looking.newest("live", limit) + await self._looking.newest("ends", limit)

    async def ending(self, end: str, limit: int, talk: Talk) -> list[str]:
        """See `Inspects.ending`."""
        cursor, found = "0", dict[str, None]()
        while end and len(found) < limit:
            reply = await talk.carry(_called, "ending", cursor, end)
            cursor = reply[0].decode()
            found |= dict.fromkeys(forms.text(id_) for id_ in reply[1])
            if cursor == "0":
                break
        return list(found)[:limit]

    async def cancel(self, ids: Sequence[str]) -> list[State | None]:
        """See `Inspects.cancel`."""
        return [State(one) if one else None for one in await self._cancelled(ids, again=True)]

    async def _cancelled(self, ids: Sequence[str], *, again: bool) -> list[str]:
        answers: list[str] = []
        for at in range(0, len(ids), WINDOW):
            some = ids[at : at + WINDOW]
            reply = await self._talk.carry(_called, "cancel", _CANCELLED, self._keep, "" if again else "1", *some)
            answers += map(forms.text, reply)
        return answers

    async def cancel_all(self, choice: Choice, limit: int) -> int:
        """See `Inspects.cancel_all`."""
        if choice.state in FINAL:
            return 0
        done = 0
        async for seen in self._meant(choice, choice.state or State.READY):
            fresh = [one.found.id for one in seen if not one.asked and one.found.state not in FINAL]
            while fresh and done < limit:
                some, fresh = fresh[: limit - done], fresh[limit - done :]
                answers = await self._cancelled(some, again=False)
                done += answers.count("cancelled") + answers.count("running")
            if done >= limit:
                break
        return done

    async def redrive(self, choice: Choice, limit: int) -> int:
        """See `DeadLetters.redrive`. One by one at the end, so that those that stay dead use up nothing."""
        return await self._of_the_dead(choice, limit, self._redriven)

    async def _redriven(self, dead: Sequence[Found]) -> int:
        return int(await self._talk.carry(_called, "redrive", *(one.id for one in dead)))

    async def purge(self, choice: Choice, limit: int) -> int:
        """See `DeadLetters.purge`."""
        return await self._of_the_dead(choice, limit, self._purged)

    async def _purged(self, dead: Sequence[Found]) -> int:
        args = [value for one in dead for value in (one.id, forms.tail(f"purged: {one.cause}"))]
        return int(await self._talk.carry(_called, "purge", self._keep, *args))

    async def _of_the_dead(self, choice: Choice, limit: int, act: Any) -> int:
        if choice.state not in (None, State.DEAD):
            return 0
        done = 0
        async for seen in self._meant(choice, State.DEAD):
            dead = list({one.found.id: one.found for one in seen if one.found.state is State.DEAD}.values())
            while dead and done < limit:
                some, dead = dead[: limit - done], dead[limit - done :]
                done += await act(some)
            if done >= limit:
                break
        return done

    async def _meant(self, choice: Choice, state: State) -> AsyncIterator[list[Seen]]:
        """What a choice means, in steps: by its ids, or along the index."""
        await self._talk.carry(_ripen)
        if choice.ids is None:
            async for seen in self._along(choice.state if state is State.RUNNING else state, choice.queue, 0):
                yield [one for one in seen if chosen(choice, one.found)]
            return
        yield [one for one in await self._looking.named(choice.ids) if chosen(choice, one.found)]

    async def tidy(self, limit: int) -> int:
        """See `Inspects.tidy`."""
        return int(await self._talk.carry(_tidied, self._talk, limit, self._keep))


def _tidied(batch: Batch, talk: Talk, limit: int, keep: float) -> Reading[int]:
    """Ends go before their time if memory is short: new messages would be refused because of them."""
    memory = talk.ask("INFO", "memory")
    talk.policy.look(memory)
    share = FORGOTTEN if is_short(memory) else 0.0
    call = batch.call("tidy", limit, _EXPIRED, keep, share)
    return lambda: int(call.answer)


def _called(batch: Batch, script: str, *args: Any) -> Reading[Any]:
    call = batch.call(script, *args)
    return lambda: call.answer


def _ripen(batch: Batch) -> Reading[Any]:
    """Make ready what is due, so that it is seen so even while nobody leases."""
    return _called(batch, "depth", 10 * SWEEP, "1")


def _matches(query: Query, found: Found) -> bool:
    return (
        (found.state in LIVE if query.state is None else query.state is found.state)
        and query.queue in (None, found.queue)
        and query.task in (None, found.task)
        and query.key in (None, found.key)
        and query.unique in (None, found.unique)
    )
