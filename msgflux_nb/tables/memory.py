"""Finds answers of earlier runs, so that no answer is paid for twice, and keeps new ones."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any

import msgspec

from ..errors import StoreError, StoreWarning, ValidationFailedError, described
from ..generation.decode import decode_answer
from ..storage.batches import KEY_BYTES, BatchRecords, Record
from ..storage.lookups import Lookups
from ..storage.recordings.hidden import hidden_answer
from ..storage.slim import without_media
from .judging.judge import Judge
from .outcome import BILLED, Outcome, again, failure
from .reuse import reusable

__all__ = ["PAID_FOR", "Memory"]

PAID_FOR = frozenset(("ok", "invalid", "refused", "truncated"))
_UNREAD = "the process ended while the answer was decoded; the code of the schema may be at fault"
_ESCAPED = re.compile(rb"\\u00([2-7][0-9a-fA-F])")
_DECODABLE = frozenset(("ok", "invalid"))


class Memory:
    """The answers of a run. If the store fails, answers wait in memory, and ``news`` returns the errors.

    Args:
        records: the records of the store; None to remember nothing.
        retry_states: states whose rows are asked again, once, although they were paid for.
        keys: the keys of the rows' requests so far, by position; more are added.
        judge: computes the confidence of answers; None without confidence.
        stops: whether to send nothing more while answers cannot be kept.

    Attributes:
        keys: the keys of the rows' requests, one after the other by position; zeros for a row without a known key.
        recalled: the sums that were once billed for the recalled rows; None for an unknown sum.
    """

    def __init__(
        self,
        records: BatchRecords | None,
        *,
        retry_states: Iterable[str] = (),
        keys: bytearray | None = None,
        judge: Judge | None = None,
        stops: bool = False,
    ) -> None:
        self.records = records
        self._judge = judge
        self.keys = bytearray() if keys is None else keys
        self.recalled: dict[str, float | None] = dict.fromkeys(BILLED, 0)
        self._retry_states, self._stops = frozenset(retry_states), stops
        self._asked: set[bytes] = set()  # keys of unusable answers that were asked for once more
        self._own: list[str] = []  # errors besides those in records.problems
        self._heard = self._heard_own = 0  # how many of records.problems and of _own were reported
        self._said: dict[str, None] = {}
        self._had_some = False
        if records is not None:
            if records.trouble is not None:
                records.flush()
            self._had_some = records.has_some
            self._heard = len(records.problems) - (records.trouble is not None and len(records.problems) > 0)
            self._lookups = Lookups(records, self.fail)
            records.store.learn_keys()

    # -- a store that fails -------------------------------------------------------------------------------------------

    def fail(self, error: StoreError | str) -> None:
        """Note an error of the store."""
        if str(error) not in self._own:
            self._own.append(str(error))

    def news(self) -> list[str]:
        """Return the errors of the store since the last call, each sentence once."""
        if self.records is None:
            return []
        told, own = self.records.problems[self._heard :], self._own[self._heard_own :]
        self._heard, self._heard_own = self._heard + len(told), self._heard_own + len(own)
        new = [said for said in dict.fromkeys((*told, *own)) if said not in self._said]
        self._said.update(dict.fromkeys(new))
        return new

    def warn(self, level: int, *, ended: bool) -> StoreWarning | None:
        """Warn of new errors, and at the end of answers that are not stored; return a warning that is an error.

        Args:
            level: the stack level of the warning, as in ``warnings.warn``.
            ended: whether the batch has ended.
        """
        said = self.news()
        left = self.records.left if ended and self.records is not None and self.records.lasts else 0
        if left:
            now = f"{left:,} {'entry waits' if left == 1 else 'entries wait'} in memory"
            said.append(f"{now} and could not be written to the store yet; keep this process running until they are")
        try:
            for one in said:
                warnings.warn(one, StoreWarning, stacklevel=level)
        except StoreWarning as error:  # if warnings are errors, the frame must not be lost
            return error
        return None

    def told(self) -> dict[str, Any]:
        """Return the report's fields about the store."""
        if self.records is None:
            return {"store_error": None, "not_stored": 0}
        left = self.records.unwritten if self.records.lasts else 0
        said = [*self._said, *self.records.problems[self._heard :], *self._own[self._heard_own :]]
        return {"store_error": said[-1] if said else None, "not_stored": left}

    def why_stop(self) -> str | None:
        """Return why nothing more should be sent, or None."""
        records = self.records
        if records is None:
            return None
        if records.trouble is not None and records.is_full:
            return f"{records.unwritten:,} answers wait in memory, the most that may wait: {records.trouble}"
        if not self._stops or (records.trouble is None and not self._own):
            return None
        return f"answers cannot be kept, and on_store_error='stop' ends the batch: {records.trouble or self._own[-1]}"

    def use(self, begins: bool) -> None:
        """Note that the batch begins or has ended; on the loop's thread."""
        if self.records is not None:
            self.records.store.users += 1 if begins else -1

    # -- answers ------------------------------------------------------------------------------------------------------

    def may_know(self, prepared: Any) -> bool:
        """Return whether the store may have an answer to a request or to its question; False is certain."""
        records = self.records
        if records is None:
            return False
        return records.may_know(prepared.key) or (self._had_some and records.may_know(prepared.question))

    async def recall(self, prepared: Any) -> Outcome | None:
        """Return the earlier outcome of the same request, or of the same question decoded to the present schema."""
        if self.records is None:
            return None
        try:
            return await self._recalled(self.records, prepared)
        except StoreError as error:
            self.fail(error)
            return None

    def note(self, position: int, prepared: Any) -> None:
        """Note the key of a row's request."""
        if self.records is None:
            return
        start = position * KEY_BYTES
        if len(self.keys) < start:
            self.keys.extend(bytes(start - len(self.keys)))
        self.keys[start : start + KEY_BYTES] = prepared.key

    async def keep(self, prepared: Any, outcome: Outcome) -> None:
        """Keep the outcome of a request, so that an answer, usable or not, is not paid for again.

        It is committed on return, unless the store fails or takes longer than a second: then it waits in memory.
        """
        if self.records is not None:
            self._put(_record(prepared, outcome))
            await self.records.kept()

    def keep_unread(self, prepared: Any, metadata: Any) -> None:
        """Keep an answer before the schema's own code runs on it; the outcome of the row replaces it."""
        if self.records is not None:
            self._put(_record(prepared, failure(ValidationFailedError(_UNREAD), metadata, None)))
            if self.records.trouble is None:
                self.records.flush()

    async def _recalled(self, records: BatchRecords, prepared: Any) -> Outcome | None:
        record = records.waiting(prepared.key)
        if record is None and records.may_know(prepared.key):
            record = await self._lookups.find(prepared.key)
        if record is not None and record.state in PAID_FOR:
            found, problem = _read(record, prepared) if record.state in _DECODABLE else (None, None)
            if found is None:
                own_code = problem is not None and problem.own_code
                if record.state == "ok" and not own_code:
                    return None
                if record.state in self._retry_states and prepared.key not in self._asked:
                    return None
                found = _no_good(record, problem)
            self._add(record)
            return self._judged(found, record)
        if not self._had_some or prepared.schema is None:
            return None
        return await self._read_otherwise(records, prepared)

    async def _read_otherwise(self, records: BatchRecords, prepared: Any) -> Outcome | None:
        """Decode an answer to another schema's request; its record keeps that request."""
        if not records.may_know(prepared.question):
            return None
        for other in await self._lookups.related(prepared.question):
            if other.state in _DECODABLE and reusable(prepared.schema, other.request):
                outcome, _ = _read(other, prepared)
                if outcome is not None:
                    self._add(other)
                    self._put(msgspec.structs.replace(other, key=prepared.key, state="ok", error=None))
                    return self._judged(outcome, other)
        return None

    def _judged(self, outcome: Outcome, record: Record) -> Outcome:
        """Return an outcome with the confidence of its fields."""
        if self._judge is None or outcome.value is None:
            return outcome
        return msgspec.structs.replace(outcome, sure=self._judge.measured(record.answer, record.text))

    def _add(self, record: Record) -> None:
        for name, known in self.recalled.items():
            billed = getattr(record, name)
            self.recalled[name] = None if known is None or billed is None else known + billed

    def _put(self, record: Record) -> None:
        if self.records is None:
            return
        if self._retry_states:
            self._asked.add(record.key)
        try:
            self.records.put_soon(record)
        except StoreError as error:  # the answer is in the frame anyway
            self.fail(error)


def _without_escapes(answer: bytes) -> bytes:
    """Return JSON with ASCII letters that some servers write as escapes written as letters."""
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), answer) if b"\\u00" in answer else answer


def _record(prepared: Any, outcome: Outcome) -> Record:
    """Return the record of a request and its result, without the caller's key."""
    text = None if prepared.text is None else prepared.text.encode("utf-8", "replace")
    answer, request = prepared.answer, without_media(prepared.request)
    whole = b"\0".join((request, _without_escapes(answer or b""), text or b""))
    if prepared.without_key(whole) != whole:  # a quick check: nearly always there is nothing to hide

        def hidden(data: bytes | None) -> bytes | None:
            return None if data is None else prepared.without_key(data)

        def hide(words: str) -> str:
            clean: bytes = prepared.without_key(words.encode("utf-8", "surrogatepass"))
            return clean.decode("utf-8", "surrogatepass")

        text, request = hidden(text), prepared.without_key(request)
        if answer is not None:
            answer = hidden_answer([(0, prepared.without_key(answer))], hide)[0][1]

    def said(words: str | None) -> str | None:
        return None if not words else prepared.without_key(words.encode("utf-8", "replace")).decode()

    return Record(
        key=prepared.key,
        question=prepared.question,
        state=outcome.state,
        text=None if text is None else text.decode(),
        request=request,
        answer=answer,
        error=said(outcome.error),
        attempts=outcome.attempts,
        prompt_tokens=outcome.prompt_tokens,
        completion_tokens=outcome.completion_tokens,
        cost=outcome.cost,
        seconds=outcome.seconds,
        warnings=said("\n".join(prepared.flaws)),
    )


def _read(record: Record, prepared: Any) -> tuple[Outcome | None, ValidationFailedError | None]:
    """Decode a record's text to the present schema; return the outcome, or the error; both None without a text."""
    if record.text is None:
        return None, None
    if prepared.schema is None:
        return again(Outcome("ok", record.text, warnings=_told(record))), None
    try:
        decoded = decode_answer(record.text, prepared.schema)
    except ValidationFailedError as error:
        return None, error
    return again(Outcome("ok", decoded.value, warnings=(*_told(record), *decoded.warnings))), None


def _no_good(record: Record, problem: ValidationFailedError | None) -> Outcome:
    """Return the outcome of a row whose stored answer is unusable, with the error of the schema's code, if any."""
    state: Any = record.state
    own_code = problem is not None and problem.own_code
    error = described(problem) if problem is not None and own_code else record.error
    return again(Outcome("invalid" if own_code else state, error=error, warnings=_told(record)))


def _told(record: Record) -> tuple[str, ...]:
    """Return the warnings about the way to the answer; decoding adds its own again."""
    return tuple((record.warnings or "").splitlines())
