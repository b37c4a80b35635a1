"""Attempts for one row until it is settled or the run stops.

Around it: the runner, which knows the rows. Inside it: the client and the limiter, one request at a time. A lock is
no retry: all rows of the account wait for it in the limiter. Whatever concerns the run is yielded as an event.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from bulkremove.domain.attempt import PendingRow
from bulkremove.domain.clock import Clock
from bulkremove.domain.errors import NeverSent
from bulkremove.domain.job import EndReason
from bulkremove.domain.row import Removal, RowState
from bulkremove.engine import circuit_breaker, decision_table
from bulkremove.engine.admission import Admissions, NotAdmitted, TokenProvider, or_event, waits_exhausted
from bulkremove.engine.circuit_breaker import Breaker
from bulkremove.engine.decision_table import RULES, Step, Verdict
from bulkremove.engine.events import Deferred, Event, Lockout, RunEnd, Settled, TokenWait
from bulkremove.engine.progress import Stop
from bulkremove.engine.rate_limit import OwnLimit, Signal, WaitsExhausted, YieldToOtherRow
from bulkremove.engine.rate_limiter import Closing, RateLimiter
from bulkremove.storage.interface.attempts import AttemptOutcome
from bulkremove.zoho import response_parser
from bulkremove.zoho.client import Admission, Exchange
from bulkremove.zoho.response_kind import Response, ResponseKind

R = TypeVar("R")

DEFERRAL_SECONDS = 1.0
"""Seconds that a row waits at least before it asks again after another one was tried."""


class Sender(Protocol):
    """Sends one removal when it is admitted (``client.ZohoClient`` is the one that ships)."""

    async def remove(self, removal: Removal, admit: Callable[[], Awaitable[Admission | R]]) -> Exchange | R: ...


@dataclass(slots=True)
class _Row:
    """One row on its way, with the attempts made so far."""

    pending_row: PendingRow
    last: Response | None = None
    refused_token: str = ""
    """The access token with which Zoho refused this row first."""
    renewed: bool = False
    """Another token was got because of that."""
    step: Step = Step.ASK_AGAIN
    """What follows the last attempt."""

    @property
    def open_state(self) -> RowState:
        return RowState.SENDING if any(map(decision_table.is_open, self.pending_row.attempts)) else RowState.PENDING


class Attempts:
    """The attempts of one run, for several rows at a time.

    ``left``: how many rows of the job are not settled. ``random`` gives numbers in [0, 1) for the back-off.
    """

    def __init__(
        self,
        sender: Sender,
        limiter: RateLimiter,
        tokens: TokenProvider,
        *,
        breaker: Breaker,
        stop: Stop,
        left: Callable[[], int],
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._sender = sender
        self._limiter = limiter
        self._tokens = tokens
        self._admissions = Admissions(limiter, tokens)
        self._breaker = breaker
        self._stop = stop
        self._left = left
        self._clock = clock
        self._random = random
        self._proven: set[str] = set()
        """Access tokens that got a response about a row, and no refusal since."""
        self._deferred_rows: set[str] = set()
        """Rows that wait for another one, since the last response."""
        self._doubts: dict[str, tuple[str, Response]] = {}
        """By row: the new token that Zoho refused for it, and its words."""

    async def settle(self, pending_row: PendingRow) -> AsyncGenerator[Event]:
        """Send one row until it is settled, and yield each event as soon as it is known.

        The last event of a row is ``Settled`` or ``Deferred``; without it the run stops, and the row stays for a later
        one. Raises JournalFailed when the journal can't be written; nothing may be sent after that.
        """
        row = _Row(pending_row)
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda step: step is Step.REPEAT),
            stop=stop_after_attempt(decision_table.MAX_ATTEMPTS),
            wait=self._back_off,
            sleep=self._pause,
            retry_error_callback=lambda state: None,
        )
        # Without `with attempt`, which would keep exceptions back, the end of this generator among them.
        async for attempt in retrying:
            row.step = Step.ASK_AGAIN
            while row.step in (Step.ASK_AGAIN, Step.RENEW) and not self._stop.asked:
                async with aclosing(self._attempt(row)) as events:
                    async for event in events:
                        yield event
                        if isinstance(event, Settled | Deferred):
                            return
                        if isinstance(event, TokenWait):
                            await self._pause(event.seconds)
            attempt.retry_state.set_result(row.step)

    def _back_off(self, state: RetryCallState) -> float:
        return decision_table.back_off(state.attempt_number, self._random())

    async def _pause(self, seconds: float) -> None:
        await self._stop.sleep(seconds, self._clock)

    async def _attempt(self, row: _Row) -> AsyncGenerator[Event]:
        """Send the row once, or settle it without; then write down what came back, and what it means for the row."""
        sent = await self._send(row)
        if sent is None:
            return
        if not isinstance(sent, Exchange):
            yield sent
            return
        response = self._read(sent)
        verdict = decision_table.judge(response, row.pending_row.attempts)
        self._breaker, run_end, signal = circuit_breaker.observe(self._breaker, response)
        if run_end is not None:
            yield run_end  # before the write, so that nothing leaves meanwhile
        lockout, exhausted = await self._close(row, sent, response, verdict, signal)
        row.step = verdict.step
        self._deferred_rows.clear()
        if lockout is not None:
            yield lockout
        if exhausted is not None:
            yield waits_exhausted(exhausted)
        token = sent.admission.token
        if verdict.step is Step.RENEW:
            self._proven.discard(token)
            no_token = await self._renew(row, token, response)
            if no_token is not None:
                yield no_token
        elif RULES[response.kind].proves_reachable:
            self._proven.add(token)
        if verdict.status is not None:
            yield Settled(verdict.status)

    async def _send(self, row: _Row) -> Exchange | Event | None:
        """The exchange with Zoho; an event when none is due or none can be had; None: ask again, if the run goes on."""
        if row.pending_row.key in self._doubts:
            return await self._settle_doubt(row)
        late = decision_table.too_late(row.pending_row.attempts, self._clock)
        if late is not None:
            return await self._settle(row, late)
        sent = await self._sender.remove(row.pending_row.removal, lambda: self._admit(row))
        match sent:
            case Exchange(withdrawn=True):
                await self._limiter.cancel_slot(sent.admission.permit)
                return None
            case YieldToOtherRow():
                return await self._defer(row)
            case OwnLimit():
                return await self._settle(row, self._refused_alone(row, row.last or _last_answer(row.pending_row)))
        return sent

    async def _admit(self, row: _Row) -> Admission | NotAdmitted:
        return await self._admissions.admit(
            row.pending_row,
            alone=lambda: self._alone(row),
            in_time=lambda: not self._stop.asked and not decision_table.too_late(row.pending_row.attempts, self._clock),
        )

    def _alone(self, row: _Row) -> bool:
        """Whether no other row is left that could be sent now."""
        return self._left() - len(self._deferred_rows - {row.pending_row.key}) <= 1

    async def _defer(self, row: _Row) -> Deferred:
        self._deferred_rows.add(row.pending_row.key)
        await self._pause(DEFERRAL_SECONDS)
        return Deferred(row.pending_row)

    def _read(self, exchange: Exchange) -> Response:
        if exchange.reply is not None:
            return response_parser.parse(exchange.reply, now=self._clock.wall())
        response_kind = ResponseKind.NEVER_SENT if isinstance(exchange.failure, NeverSent) else ResponseKind.UNANSWERED
        return Response(response_kind, text=str(exchange.failure))

    async def _close(
        self, row: _Row, exchange: Exchange, response: Response, verdict: Verdict, signal: Signal | None
    ) -> tuple[Lockout | None, WaitsExhausted | None]:
        """One transaction: the raw outcome, the row's new state; only then is the slot released early."""
        permit, rule = exchange.admission.permit, RULES[response.kind]
        attempt = replace(
            permit.attempt,
            response_kind=response.kind.value,
            http_status=response.http_status,
            api_code=response.api_code,
            text=response.text,
        )
        left = response.kind is not ResponseKind.NEVER_SENT
        if left:
            row.pending_row = replace(row.pending_row, attempts=(*row.pending_row.attempts, attempt))
        row.last = response
        state = verdict.status or row.open_state
        outcome = AttemptOutcome(attempt, state, verdict.detail, response.learner, left)
        return await self._limiter.complete(permit, Closing(outcome, signal, rule.proves_reachable))

    async def _renew(self, row: _Row, refused: str, response: Response) -> RunEnd | TokenWait | None:
        """One refresh, shared by all rows that were refused with this token; after it, the row once more."""
        if row.renewed or row.refused_token not in ("", refused):
            self._doubts[row.pending_row.key] = refused, response
            return None
        row.refused_token = refused
        renewed = await or_event(self._tokens.renew(refused))
        if isinstance(renewed, str):
            row.renewed = True
            return None
        return renewed

    async def _settle_doubt(self, row: _Row) -> Event:
        """Zoho refused a new token too: for this row alone if another row passes with it, else for good."""
        token, response = self._doubts[row.pending_row.key]
        if token in self._proven:
            return await self._settle(row, self._refused_alone(row, response))
        if not self._alone(row) and len(self._doubts) == 1:
            return await self._defer(row)
        return RunEnd(
            "Authorisation broken: Zoho refuses a new access token too. Check that the account may still "
            "remove learners, run `bulkremove doctor`, then resume.",
            EndReason.NOT_AUTHORIZED,
        )

    def _refused_alone(self, row: _Row, response: Response) -> Verdict:
        """Others pass, this row does not."""
        if row.open_state is RowState.SENDING:
            return decision_table.given_up("an attempt got no response, and the next was refused")
        return decision_table.refused(response)

    async def _settle(self, row: _Row, verdict: Verdict) -> Settled:
        """Give the row its status without another call."""
        assert verdict.status is not None  # noqa: S101 - narrows the type; only settling verdicts come here
        self._doubts.pop(row.pending_row.key, None)
        await self._limiter.settle_without_sending(row.pending_row, verdict.status, verdict.detail)
        return Settled(verdict.status)


def _last_answer(pending_row: PendingRow) -> Response:
    """The last response as the journal kept it, for a row that an earlier run has sent."""
    last = pending_row.attempts[-1]
    return Response(
        ResponseKind(last.response_kind or ResponseKind.UNANSWERED), last.http_status, last.api_code, last.text
    )
