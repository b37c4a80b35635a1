"""The attempts for one row, until it is settled or the run stops.

Above it, ``rows`` chooses the rows; below it, the client and the rate limiter send one request at a time. A lockout is
no retry: all rows of the account wait for its end in the limiter. What concerns the whole run is yielded as an event.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from bulkremove.domain.attempt import PendingRow, Permit
from bulkremove.domain.clock import Clock
from bulkremove.domain.errors import BulkremoveError, ConsentMissing
from bulkremove.domain.job import EndReason
from bulkremove.domain.operation import PlannedOperation
from bulkremove.domain.row import Removal, RowState, Status
from bulkremove.domain.wording import Wording
from bulkremove.engine import circuit_breaker, decision_table
from bulkremove.engine.admission import Admissions, NotAdmitted, TokenProvider, waits_exhausted
from bulkremove.engine.circuit_breaker import Breaker
from bulkremove.engine.decision_table import RULES, Step, Verdict
from bulkremove.engine.descriptors import DescriptorWaits
from bulkremove.engine.events import Deferred, Event, Lockout, RunEnd, Settled, TokenWait
from bulkremove.engine.progress import Stop
from bulkremove.engine.rate_limiter import AttemptEnd, RateLimiter
from bulkremove.engine.refused_tokens import Cause, RefusedTokens
from bulkremove.engine.responses import last_response, response_of, with_accepted_wording
from bulkremove.engine.slot_decisions import RowLimited, Signal, WaitsExhausted, YieldToOtherRow
from bulkremove.storage.interface.attempts import AttemptOutcome, DoneElsewhere
from bulkremove.zoho.client import Admission, Exchange
from bulkremove.zoho.response_kind import Response, ResponseKind

R = TypeVar("R")

DEFERRAL_SECONDS = 1.0
"""Minimum seconds before a deferred row may ask for a slot again."""


class Sender(Protocol):
    """A client that sends the calls of rows, implemented by ``zoho.client.ZohoClient``."""

    async def send_row(
        self, removal: Removal, admit: Callable[[], Awaitable[Admission[Permit] | R]]
    ) -> Exchange[Permit] | R:
        """Send one call once ``admit`` returns an admission; otherwise return what it returned."""
        ...


@dataclass(slots=True)
class _Row:
    """One row that is being sent, with what its attempts have brought so far."""

    pending_row: PendingRow
    last_response: Response | None = None
    step: Step = Step.RETRY_UNCOUNTED
    """What follows the last attempt."""

    @property
    def open_state(self) -> RowState:
        return RowState.SENDING if any(map(decision_table.is_open, self.pending_row.attempts)) else RowState.PENDING


class Attempts:
    """The attempts of one run, for several rows at a time.

    ``is_protected`` is asked before each call whether the learner must not be removed, and may raise ConsentMissing if
    nothing may be sent any more, or another BulkremoveError; ``is_accepted``: whether a wording counts as a removal;
    ``count_unsettled`` returns how many rows of the job are not settled; ``operation``: that of the job; ``random``
    returns a number in [0, 1) for back-offs.
    """

    def __init__(
        self,
        sender: Sender,
        limiter: RateLimiter,
        tokens: TokenProvider,
        *,
        breaker: Breaker,
        stop: Stop,
        count_unsettled: Callable[[], int],
        operation: PlannedOperation,
        is_protected: Callable[[Removal], bool],
        is_accepted: Callable[[Wording], Awaitable[bool]],
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._sender = sender
        self._limiter = limiter
        self._admissions = Admissions(limiter, tokens, speed=clock.speed)
        self._breaker = breaker
        self._stop = stop
        self._count_unsettled = count_unsettled
        self._operation = operation
        self._is_protected, self._is_accepted = is_protected, is_accepted
        self._clock = clock
        self._random = random
        self._refused_tokens = RefusedTokens(tokens)
        self._descriptors = DescriptorWaits(self._pause)
        self._deferred_rows: set[str] = set()
        """Keys of the rows that were deferred since the last response."""

    async def settle(self, pending_row: PendingRow) -> AsyncGenerator[Event]:
        """Send one row until it is settled, and yield each event as soon as it occurs.

        The last event of a row is ``Settled`` or ``Deferred``; if neither comes, the run stops and the row is left for
        a later run. Raises JournalFailed when the journal can't be written; nothing may be sent after that.
        """
        row = _Row(pending_row)
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda step: step is Step.RETRY),
            stop=stop_after_attempt(decision_table.MAX_ATTEMPTS),
            wait=self._back_off,
            sleep=self._pause,
            retry_error_callback=lambda state: None,
        )
        # No `with attempt`: it would capture exceptions, such as the GeneratorExit that closes this generator.
        async for attempt in retrying:
            row.step = Step.RETRY_UNCOUNTED
            while row.step in (Step.RETRY_UNCOUNTED, Step.RENEW) and not self._stop.requested:
                async with aclosing(self._attempt(row)) as events:
                    async for event in events:
                        yield event
                        if isinstance(event, Settled | Deferred):
                            return
                        if isinstance(event, TokenWait):
                            await self._pause(event.seconds)
            attempt.retry_state.set_result(row.step)

    def _back_off(self, state: RetryCallState) -> float:
        return decision_table.back_off_seconds(state.attempt_number, self._random())

    async def _pause(self, seconds: float) -> None:
        await self._stop.sleep(seconds, self._clock)

    async def _attempt(self, row: _Row) -> AsyncGenerator[Event]:
        """Send the row once, or settle it without a call; record the response and what it means for the row."""
        exchange = await self._send(row)
        if exchange is None:
            return
        if not isinstance(exchange, Exchange):
            yield exchange
            return
        answer = response_of(exchange, self._operation, now=self._clock.wall())
        response = await with_accepted_wording(answer, self._is_accepted)
        verdict = decision_table.judge(response, row.pending_row.attempts, self._operation)
        self._breaker, run_end, signal = circuit_breaker.observe(
            self._breaker,
            circuit_breaker.without_id(response, row.pending_row),
            inferred=verdict.status is Status.REMOVED_INFERRED,
            sent_at=exchange.admission.permit.attempt.sent_mono,
            now=self._clock.monotonic(),
        )
        if run_end is not None:
            # Before the write, so that no other row is sent meanwhile.
            yield circuit_breaker.with_row(run_end, row.pending_row, response)
        lockout, exhausted = await self._close(row, exchange, response, verdict, signal)
        row.step = verdict.step
        self._deferred_rows.clear()
        if lockout is not None:
            yield lockout
        if exhausted is not None:
            yield waits_exhausted(exhausted, exchange.failure)
        token, sent_at = exchange.admission.token, exchange.admission.permit.attempt.sent_mono
        if verdict.step is Step.RENEW:
            event = await self._refused_tokens.refused(row.pending_row.key, token, sent_at, response)
            if event is not None:
                yield event
        elif RULES[response.kind].proves_reachable:
            self._refused_tokens.accepted(token, sent_at)
        if verdict.status is not None:
            yield Settled(verdict.status)

    async def _send(self, row: _Row) -> Exchange[Permit] | Event | None:
        """Return the exchange with Zoho, an event if no call was made, or None to try again if the run goes on."""
        if (response := self._refused_tokens.response(row.pending_row.key)) is not None:
            return await self._resolve_refusal(row, response)
        try:
            is_protected = self._is_protected(row.pending_row.removal)
        except ConsentMissing as error:
            return RunEnd(error.page_text, EndReason.STANDSTILL)
        except BulkremoveError as error:  # a list that can't be read protects nobody, so nobody is removed
            return RunEnd(error.page_text, EndReason.SETTINGS)
        if is_protected:
            return await self._settle(row, decision_table.protected(row.pending_row.attempts))
        too_late = decision_table.too_late(row.pending_row.attempts, self._clock)
        if too_late is not None:
            return await self._settle(row, too_late)
        result = await self._sender.send_row(row.pending_row.removal, lambda: self._admit(row))
        match result:
            case Exchange(withdrawn=True):
                await self._limiter.cancel_slot(result.admission.permit)
                return await self._descriptors.wait() if result.no_descriptors else None
            case YieldToOtherRow():
                return await self._defer(row)
            case DoneElsewhere():
                return await self._settle(row, decision_table.done_elsewhere(result, row.pending_row.attempts))
            case RowLimited():
                last = row.last_response or last_response(row.pending_row)
                return await self._settle(row, self._individually_refused(row, last))
        self._descriptors.opened()
        return result

    async def _admit(self, row: _Row) -> Admission[Permit] | NotAdmitted:
        admission = await self._admissions.admit(
            lambda: self._limiter.acquire(
                row.pending_row,
                is_only_row=lambda: self._is_alone(row),
                may_still_send=lambda: (
                    not self._stop.requested and not decision_table.too_late(row.pending_row.attempts, self._clock)
                ),
            )
        )
        if not isinstance(admission, Admission):
            return admission

        async def is_still_valid() -> bool:
            try:
                is_protected = self._is_protected(row.pending_row.removal)
            except BulkremoveError:
                return False  # the next look at the row says why
            return not is_protected and await admission.is_still_valid()

        return replace(admission, is_still_valid=is_still_valid)

    def _is_alone(self, row: _Row) -> bool:
        """Whether no other row could be sent now."""
        return self._count_unsettled() - len(self._deferred_rows - {row.pending_row.key}) <= 1

    async def _defer(self, row: _Row) -> Deferred:
        self._deferred_rows.add(row.pending_row.key)
        await self._pause(DEFERRAL_SECONDS)
        return Deferred(row.pending_row)

    async def _close(
        self, row: _Row, exchange: Exchange[Permit], response: Response, verdict: Verdict, signal: Signal | None
    ) -> tuple[Lockout | None, WaitsExhausted | None]:
        """Record the raw outcome, the row's new state and the early release of its slot, in one transaction."""
        permit, rule = exchange.admission.permit, RULES[response.kind]
        attempt = replace(
            permit.attempt,
            response_kind=response.kind.value,
            http_status=response.http_status,
            api_code=response.api_code,
            text=response.text,
        )
        was_sent = response.kind is not ResponseKind.NEVER_SENT
        if was_sent:
            row.pending_row = replace(row.pending_row, attempts=(*row.pending_row.attempts, attempt))
        row.last_response = response
        state = verdict.status or row.open_state
        outcome = AttemptOutcome(attempt, state, verdict.detail, response.learner, was_sent)
        return await self._limiter.complete(permit, AttemptEnd(outcome, signal, rule.proves_reachable))

    async def _resolve_refusal(self, row: _Row, response: Response) -> Event | None:
        """Decide about a row for which Zoho refused a renewed token too. None: send it again, with a newer one."""
        key = row.pending_row.key
        match await self._refused_tokens.cause(key):
            case Cause.ROW:
                return await self._settle(row, self._individually_refused(row, response))
            case Cause.TOKEN:
                self._refused_tokens.forget(key)
                return None
            case Cause.UNKNOWN:
                if not self._is_alone(row) and len(self._refused_tokens) == 1:
                    return await self._defer(row)
                return RunEnd(
                    "Authorisation failed: Zoho refuses a new access token too. Check that the account may still "
                    f"{self._operation.words.act} learners, then resume.",
                    EndReason.NOT_AUTHORIZED,
                )
            case event:
                return event

    def _individually_refused(self, row: _Row, response: Response) -> Verdict:
        """The verdict for a row that Zoho refuses while it accepts others."""
        if row.open_state is RowState.SENDING:
            return decision_table.unknown_verdict("an attempt got no response, and the next was refused")
        return decision_table.refused(response)

    async def _settle(self, row: _Row, verdict: Verdict) -> Settled:
        """Give the row its status without another call."""
        assert verdict.status is not None  # noqa: S101 - narrows the type; only settling verdicts come here
        self._refused_tokens.forget(row.pending_row.key)
        await self._limiter.settle_without_sending(row.pending_row, verdict.status, verdict.detail)
        return Settled(verdict.status)
