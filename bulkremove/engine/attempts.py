"""Attempts for one row until it is settled or the run stops.

Around it: the runner, which knows the rows. Inside it: the client and the limiter, one request at a time. A lock
is no retry: it is everybody's and waits in the limiter. One row's trouble is never an exception; the job's is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from bulkremove.domain.attempt import PendingRow
from bulkremove.domain.clock import Clock
from bulkremove.domain.errors import NeverSent, NotAuthorized, SettingsError, TokenDelayed
from bulkremove.domain.job import EndReason
from bulkremove.domain.ledger import HoldReason
from bulkremove.domain.row import Removal, RowState, Status
from bulkremove.engine import decision_table
from bulkremove.engine.circuit_breaker import RunEnd
from bulkremove.engine.decision_table import RULES, Step, Verdict
from bulkremove.engine.rate_limit import Signal
from bulkremove.engine.rate_limiter import (
    MAX_IDLE_SECONDS,
    Closing,
    DayUsedUp,
    LimiterClosed,
    Lockout,
    OwnLimitMet,
    RateLimiter,
    RowDeferred,
    TooSlow,
)
from bulkremove.platform.local_time import local
from bulkremove.storage.interface.attempts import AttemptOutcome
from bulkremove.zoho import response_parser
from bulkremove.zoho.client import Admission, Exchange
from bulkremove.zoho.response_kind import Response, ResponseKind

DEFERRAL_SECONDS = 1.0
"""Seconds that a row waits at least before it asks again after another one was tried."""


class Sender(Protocol):
    """Sends one removal when it is admitted (``client.ZohoClient`` is the one that ships)."""

    async def remove(self, removal: Removal, admit: Callable[[], Awaitable[Admission | None]]) -> Exchange | None: ...


class TokenProvider(Protocol):
    """Access tokens (``zoho.oauth.AccessTokens`` is the one that ships)."""

    async def ensure(self) -> None: ...
    async def token(self) -> str: ...
    async def renew(self, refused: str) -> str: ...


class Run(Protocol):
    """What a remover needs to know of the run it is part of, and tells it."""

    def stopping(self) -> bool:
        """Whether nothing more may be sent."""
        ...

    def left(self) -> int:
        """How many rows of the job are not settled."""
        ...

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the moment when the run begins to stop."""
        ...

    def observe(self, response: Response) -> Signal | None:
        """Hear a response; the job's rules may end the run or ask everybody to wait."""
        ...

    def end_run(self, run_end: RunEnd) -> None: ...
    async def locked_out(self, lockout: Lockout) -> None: ...
    async def no_token(self, delayed: TokenDelayed) -> None:
        """Hear that all rows wait for an access token."""
        ...


_SHUT = {
    HoldReason.LOCKED: "Zoho's lock is still in force after three full waits: perhaps the day's allowance is used up.",
    HoldReason.FAILING: "Zoho People keeps failing; three waits did not help.",
    HoldReason.UNREACHABLE: "Zoho can't be reached. Check the network of this machine.",
}


@dataclass(slots=True)
class _Row:
    """One row on its way, with the attempts made so far."""

    pending_row: PendingRow
    last: Response | None = None
    refused_token: str = ""
    """The access token with which Zoho refused this row first."""
    renewed: bool = False
    """Another token was got because of that."""
    is_deferred: bool = False
    """It waits until another row was heard of."""

    @property
    def open_state(self) -> RowState:
        return RowState.SENDING if any(map(decision_table.is_open, self.pending_row.attempts)) else RowState.PENDING


class Remover:
    """Takes rows one by one, several at a time. ``random`` gives numbers in [0, 1) for the back-off."""

    def __init__(
        self,
        sender: Sender,
        limiter: RateLimiter,
        tokens: TokenProvider,
        run: Run,
        *,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._sender = sender
        self._limiter = limiter
        self._tokens = tokens
        self._run = run
        self._clock = clock
        self._random = random
        self._proven: set[str] = set()
        """Access tokens that got a response about a row, and no refusal since."""
        self._deferred_rows: set[str] = set()
        """Rows that wait for another one, since the last response."""
        self._doubts: dict[str, tuple[str, Response]] = {}
        """By row: the new token that Zoho refused for it, and its words."""

    async def remove(self, pending_row: PendingRow) -> Status | PendingRow | None:
        """Settle one row, in the journal too. None: the run stops, and the row stays for a later one.

        A ``PendingRow`` is the row itself, deferred until another one got a response. Raises JournalFailed when
        the journal can't be written; nothing may be sent after that.
        """
        row = _Row(pending_row)
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda verdict: verdict is not None and verdict.step is Step.REPEAT),
            stop=stop_after_attempt(decision_table.MAX_ATTEMPTS),
            wait=self._back_off,
            sleep=self._run.pause,
            retry_error_callback=lambda state: None,
        )
        verdict: Verdict | None = await retrying(self._attempt, row)
        if row.is_deferred:
            self._deferred_rows.add(pending_row.key)
            await self._run.pause(DEFERRAL_SECONDS)
            return row.pending_row
        return verdict.status if verdict else None

    def _back_off(self, state: RetryCallState) -> float:
        return decision_table.back_off(state.attempt_number, self._random())

    async def _attempt(self, row: _Row) -> Verdict | None:
        """Send the row until an attempt counts. None: the run stops."""
        while not self._run.stopping() and not row.is_deferred:
            if row.pending_row.key in self._doubts:
                return await self._settle_doubt(row)
            late = decision_table.too_late(row.pending_row.attempts, self._clock)
            if late is not None:
                return await self._settle(row, late)
            try:
                exchange = await self._sender.remove(row.pending_row.removal, lambda: self._admit(row))
            except RowDeferred:
                row.is_deferred = True
                continue
            except OwnLimitMet:
                return await self._settle(row, self._refused_alone(row, row.last or _last_answer(row.pending_row)))
            except LimiterClosed as shut:
                self._run.end_run(RunEnd(_SHUT[shut.reason], EndReason.WAITS_EXHAUSTED, auto_resumable=True))
                continue
            except TooSlow as slow:
                self._run.end_run(RunEnd(_too_slow(slow), EndReason.TOO_SLOW, auto_resumable=True))
                continue
            except DayUsedUp as used_up:
                self._run.end_run(RunEnd(_day_used_up(used_up), EndReason.DAY_USED_UP, auto_resumable=True))
                continue
            except NotAuthorized as refused:
                self._run.end_run(RunEnd(str(refused), EndReason.NOT_AUTHORIZED))
                continue
            except SettingsError as broken:  # the token's file
                self._run.end_run(RunEnd(str(broken), EndReason.SETTINGS))
                continue
            except TokenDelayed as delayed:
                await self._wait_for_token(delayed)
                continue
            if exchange is None:
                continue
            if exchange.withdrawn:
                await self._limiter.cancel_slot(exchange.admission.permit)
                continue
            verdict = await self._handle(row, exchange)
            if verdict is not None:
                return verdict
        return None

    async def _admit(self, row: _Row) -> Admission | None:
        """A slot and a token, both good at this very moment; None when the row may not be sent any more."""
        while True:
            await self._tokens.ensure()  # before the wait, so that a dead account takes no slot
            permit = await self._limiter.acquire(
                row.pending_row,
                alone=lambda: self._alone(row),
                in_time=lambda: (
                    not self._run.stopping() and not decision_table.too_late(row.pending_row.attempts, self._clock)
                ),
            )
            if permit is None:
                return None
            try:
                token = await self._tokens.token()  # the wait may have outlived the first one
                fresh = self._limiter.is_fresh(permit)
            except BaseException:
                await self._limiter.cancel_slot(permit)
                raise
            if fresh:
                return Admission(permit, token, partial(self._limiter.is_still_valid, permit))
            await self._limiter.cancel_slot(permit)

    def _alone(self, row: _Row) -> bool:
        """Whether no other row is left that could be sent now."""
        return self._run.left() - len(self._deferred_rows - {row.pending_row.key}) <= 1

    async def _handle(self, row: _Row, exchange: Exchange) -> Verdict | None:
        """Write down what came back. None: the row is to be asked for again at once, if the run goes on."""
        response = self._read(exchange)
        before = row.pending_row.attempts
        verdict = decision_table.judge(response, before)
        signal = self._run.observe(response)
        await self._close(row, exchange, response, verdict, signal)
        self._deferred_rows.clear()
        if verdict.step is Step.RENEW:
            self._proven.discard(exchange.admission.token)
            await self._renew(row, exchange.admission.token, response)
        elif RULES[response.kind].proves_reachable:
            self._proven.add(exchange.admission.token)
        return None if verdict.step in (Step.RENEW, Step.ASK_AGAIN) else verdict

    def _read(self, exchange: Exchange) -> Response:
        if exchange.reply is not None:
            return response_parser.parse(exchange.reply, now=self._clock.wall())
        response_kind = ResponseKind.NEVER_SENT if isinstance(exchange.failure, NeverSent) else ResponseKind.UNANSWERED
        return Response(response_kind, text=str(exchange.failure))

    async def _close(
        self, row: _Row, exchange: Exchange, response: Response, verdict: Verdict, signal: Signal | None
    ) -> None:
        """One transaction: the raw outcome, the row's new state; only then is the slot pulled forward."""
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
        lockout, shut = await self._limiter.complete(
            permit,
            Closing(
                AttemptOutcome(attempt, state, verdict.detail, response.learner, left), signal, rule.proves_reachable
            ),
        )
        if lockout is not None:
            await self._run.locked_out(lockout)
        if shut is not None:
            self._run.end_run(RunEnd(_SHUT[shut.reason], EndReason.WAITS_EXHAUSTED, auto_resumable=True))

    async def _renew(self, row: _Row, refused: str, response: Response) -> None:
        """One refresh, shared by all rows that were refused with this token; after it, the row once more."""
        if row.renewed or row.refused_token not in ("", refused):
            self._doubts[row.pending_row.key] = refused, response
            return
        row.refused_token = refused
        try:
            await self._tokens.renew(refused)
            row.renewed = True
        except NotAuthorized as broken:
            self._run.end_run(RunEnd(str(broken), EndReason.NOT_AUTHORIZED))
        except TokenDelayed as delayed:
            await self._wait_for_token(delayed)

    async def _wait_for_token(self, delayed: TokenDelayed) -> None:
        if delayed.retry_in is None:
            self._run.end_run(RunEnd(str(delayed), EndReason.NO_TOKEN, auto_resumable=True))
        else:
            await self._run.no_token(delayed)
            await self._run.pause(delayed.retry_in)

    async def _settle_doubt(self, row: _Row) -> Verdict | None:
        """Zoho refused a new token too: for this row alone if another row passes with it, else for good."""
        token, response = self._doubts[row.pending_row.key]
        if token in self._proven:
            return await self._settle(row, self._refused_alone(row, response))
        if self._alone(row) or len(self._doubts) > 1:
            self._run.end_run(
                RunEnd(
                    "Authorisation broken: Zoho refuses a new access token too. Check that the account may still "
                    "remove learners, run `bulkremove doctor`, then resume.",
                    EndReason.NOT_AUTHORIZED,
                )
            )
        else:
            row.is_deferred = True
        return None

    def _refused_alone(self, row: _Row, response: Response) -> Verdict:
        """Others pass, this row does not."""
        if row.open_state is RowState.SENDING:
            return decision_table.given_up("an attempt got no response, and the next was refused")
        return decision_table.refused(response)

    async def _settle(self, row: _Row, verdict: Verdict) -> Verdict:
        assert verdict.status is not None  # noqa: S101 - narrows the type; only settling verdicts come here
        self._doubts.pop(row.pending_row.key, None)
        await self._limiter.settle_without_sending(row.pending_row, verdict.status, verdict.detail)
        return verdict


def _last_answer(pending_row: PendingRow) -> Response:
    """The last response as the journal kept it, for a row that an earlier run has sent."""
    last = pending_row.attempts[-1]
    return Response(
        ResponseKind(last.response_kind or ResponseKind.UNANSWERED), last.http_status, last.api_code, last.text
    )


def _too_slow(slow: TooSlow) -> str:
    if slow.commit_seconds > MAX_IDLE_SECONDS / 2:
        return (
            f"The disk is too slow: writing one attempt to the journal (fsync) takes {slow.commit_seconds:.1f} s. "
            "Nothing more was sent. Move BULKREMOVE_HOME to a local disk, or resume when the disk is less busy."
        )
    return (
        "This computer is too busy to send within a second of being allowed to. Nothing more was sent. "
        "Resume when it is less busy."
    )


def _day_used_up(used_up: DayUsedUp) -> str:
    until = local(used_up.until)
    return f"The day's allowance is used up; it goes on at {until:%Y-%m-%d %H:%M %Z}. Resume then."
