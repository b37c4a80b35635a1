"""Reads: calls that change nothing, each with a slot of the account's ledger and an entry in the journal.

They share client, tokens and ledger with removals (docs/decisions/0019-reads.md). A read is made once: what fails ends
the whole read with a message, since nothing is lost by that, and a person or a job's next look asks again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from bulkremove.domain.attempt import ReadPermit
from bulkremove.domain.clock import Clock, later, seconds_between
from bulkremove.domain.errors import (
    LOG_IN,
    BulkremoveError,
    LocalFileFailed,
    NeverSent,
    NotAuthorized,
    NotKnown,
    NotListed,
    ReadsStopped,
)
from bulkremove.domain.job import EndReason
from bulkremove.domain.ledger import Quota, SuspensionReason
from bulkremove.domain.operation import FORM_READS, READ_SCOPES, REMOVE_LEARNER, Call, Operation
from bulkremove.engine.admission import Admissions, NotAdmitted, TokenProvider, result_or_event
from bulkremove.engine.decision_table import RULES
from bulkremove.engine.events import RunEnd, TokenWait
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.slot_decisions import NoSlot, Signal, Wait, Waiting
from bulkremove.engine.slot_rules import CallAnswerRule, ReadSlotRule
from bulkremove.engine.slot_waits import SlotWaits
from bulkremove.platform.local_time import local
from bulkremove.storage.interface.attempts import RateLimitStore
from bulkremove.storage.interface.reads import ReadOutcome, ReadStore
from bulkremove.zoho.client import Admission, Exchange
from bulkremove.zoho.listings import unexpected_fields
from bulkremove.zoho.read_response import ReadKind, ReadResponse, Tree, parse_read
from bulkremove.zoho.response_kind import Response, ResponseKind

R = TypeVar("R")

MAX_WITHDRAWN = 3
"""After so many connections in a row that were open too late, the read fails."""


class ReadSender(Protocol):
    """A client that sends reads, implemented by ``zoho.client.ZohoClient``."""

    async def send(
        self, call: Call, admit: Callable[[], Awaitable[Admission[ReadPermit] | R]]
    ) -> Exchange[ReadPermit] | R:
        """Send one call once ``admit`` returns an admission; otherwise return what it returned."""
        ...


class ReadLimiter(SlotWaits[ReadPermit]):
    """The rate limiter of one account for reads: they wait for the pace, and never for the end of a lock.

    ``on_wait`` is called with what a read waits for.
    """

    def __init__(
        self,
        reads: ReadStore,
        rate_limit: RateLimitStore,
        key: str,
        quota: Quota,
        clock: Clock,
        *,
        queue: FairQueue,
        on_wait: Callable[[Wait], None] = lambda wait: None,
    ) -> None:
        super().__init__(rate_limit, key, quota, clock, queue=queue, on_wait=self._check_wait, open_until=clock.wall())
        self._reads, self._report_wait = reads, on_wait

    async def acquire(self, operation: Operation) -> ReadPermit | NoSlot | None:
        """Wait for a slot and take it, and write the read with it. Raises ReadFailed in a lock; JournalFailed."""
        key = f"read-{secrets.token_hex(8)}"
        rule = ReadSlotRule(self._key, self._quota, key)
        return await self._wait_for_slot(lambda: self._reads.take(key, operation.name, rule), lambda: True)

    def _check_wait(self, wait: Wait) -> None:
        if wait.reason in (Waiting.PACE, Waiting.WINDOW):
            self._report_wait(wait)
            return
        seconds = seconds_between(self._clock.monotonic(), wait.until) / self._clock.speed
        reason = _SUSPENDED.get(wait.reason, "All calls of this account wait.")
        until = local(later(self._clock.wall(), seconds))
        raise ReadsStopped(f"{reason} Nothing is read before {until:%H:%M:%S}.", hint="Try again then.")

    async def cancel_slot(self, permit: ReadPermit) -> None:
        """Undo a permit that was not used: no byte was sent, so its slot and the read are deleted."""
        outcome = ReadOutcome(ResponseKind.NEVER_SENT.value, was_sent=False)
        await asyncio.shield(self.complete(permit, outcome, None, is_open=False, proves_reachable=False))

    async def complete(
        self,
        permit: ReadPermit,
        outcome: ReadOutcome,
        signal: Signal | None,
        *,
        is_open: bool,
        proves_reachable: bool,
    ) -> None:
        """Record how the read ended and schedule the release of its slot. ``signal``: all calls must wait."""
        rule = CallAnswerRule(self._key, self._quota, permit, is_open, outcome.was_sent, signal, proves_reachable)
        await self._reads.close(permit, outcome, rule)


class Reads:
    """The reads of one account, made one after the other."""

    def __init__(self, sender: ReadSender, limiter: ReadLimiter, tokens: TokenProvider, clock: Clock) -> None:
        self._sender, self._limiter, self._tokens, self._clock = sender, limiter, tokens, clock
        self._admissions = Admissions(limiter, tokens, speed=clock.speed)

    async def read(self, call: Call) -> Tree | None:
        """Make one read: the body of its answer; None where Zoho says by a code that there are no records.

        Raises ReadFailed and NotAuthorized for everything else, LocalFileFailed and JournalFailed.
        """
        renewed, withdrawn = False, 0
        while True:
            exchange = await self._sender.send(
                call, lambda: self._admissions.admit(lambda: self._limiter.acquire(call.operation))
            )
            if not isinstance(exchange, Exchange):
                raise _not_admitted(exchange)
            permit, token = exchange.admission.permit, exchange.admission.token
            if exchange.withdrawn or isinstance(exchange.failure, NeverSent):
                await self._limiter.cancel_slot(permit)
                withdrawn += 1
                if exchange.failure is not None or withdrawn >= MAX_WITHDRAWN:
                    raise _not_made(exchange)
                continue
            result = self._parse(exchange)
            await self._close(permit, result)
            if result.kind is ReadKind.ANSWERED:
                return result.tree
            if result.kind is ReadKind.NO_RECORDS:
                return None
            if result.kind is ResponseKind.UNAUTHORIZED and not renewed:
                renewed = True
                if not isinstance(event := await result_or_event(self._tokens.renew(token)), str):
                    raise _not_admitted(event)
                continue
            raise _failure(call.operation, result)

    def _parse(self, exchange: Exchange[ReadPermit]) -> ReadResponse:
        if exchange.reply is not None:
            return parse_read(exchange.reply, now=self._clock.wall())
        response = Response(ResponseKind.UNANSWERED, text=str(exchange.failure))
        return ReadResponse(response.kind, response)

    async def _close(self, permit: ReadPermit, result: ReadResponse) -> None:
        kind, response = result.kind, result.response
        is_limit = kind in (ResponseKind.LIMITED, ResponseKind.LIMITED_UNPROVEN)
        await self._limiter.complete(
            permit,
            ReadOutcome(kind.value, response.http_status, response.api_code),
            Signal(SuspensionReason.LOCKED, response.wait) if is_limit else None,
            is_open=kind is ResponseKind.UNANSWERED,
            proves_reachable=RULES[kind].proves_reachable
            if isinstance(kind, ResponseKind)
            else kind is not ReadKind.UNREADABLE,
        )


_SUSPENDED = {
    Waiting.LOCKED: "Zoho has locked these calls for a while, since their allowance was used up.",
    Waiting.FAILING: "Zoho People reported errors, so no call is made for a while.",
    Waiting.UNREACHABLE: "Zoho could not be reached, so no call is made for a while.",
}


def _not_admitted(event: NotAdmitted) -> BulkremoveError:
    match event:
        case RunEnd(code=EndReason.NOT_AUTHORIZED):
            return NotAuthorized(event.reason)
        case RunEnd(code=EndReason.SETTINGS):
            return LocalFileFailed(event.reason)
        case RunEnd(code=EndReason.DAY_USED_UP):
            return ReadsStopped("The day's allowance is used up, so nothing was read.", hint="Try again later.")
        case RunEnd():
            return ReadsStopped(f"Nothing was read. {event.reason}")
        case TokenWait():
            hint = f"Try again in {event.seconds:.0f} seconds."
            return ReadsStopped(f"There is no access token now, so nothing was read. {event.message}", hint=hint)
    return ReadsStopped("Nothing was read.", hint="Try again.")


def _not_made(exchange: Exchange[ReadPermit]) -> ReadsStopped:
    if exchange.failure is not None:
        return ReadsStopped(f"Zoho can't be reached, so nothing was read. {exchange.failure}")
    return ReadsStopped(
        "The connection was open too late for the call to be made. Nothing was read.", hint="Try again."
    )


def _failure(operation: Operation, result: ReadResponse) -> BulkremoveError:
    """Why a read brought nothing, in words; a body that came as an answer may hold people's data and is not quoted."""
    response = result.response
    is_quoted = response.text and not 200 <= (response.http_status or 0) < 300
    quote = f': "{response.text}"' if is_quoted else f", code {response.api_code}" if response.api_code else ""
    details = f"HTTP {response.http_status}{quote}" if response.http_status else response.text
    scope = operation.scopes[0]
    wanted = (REMOVE_LEARNER.scopes[0], READ_SCOPES[0], scope)
    match result.kind:
        case ResponseKind.SCOPE_MISSING:
            return NotAuthorized(
                f"The permission (scope) {scope} is missing ({details}), so nothing was read. Removals don't need it.",
                hint=f"Make a new grant code with {','.join(dict.fromkeys(wanted))} and run `bulkremove login` again.",
                page_hint=LOG_IN,
            )
        case ResponseKind.UNAUTHORIZED:
            return NotAuthorized(
                f"Zoho refuses a new access token too ({details}).", hint="Run `bulkremove doctor`.", page_hint=LOG_IN
            )
        case ResponseKind.WRONG_DATA_CENTER:
            return NotAuthorized(
                f"This token belongs to another data centre ({details}).",
                hint="Run `bulkremove login` with the right one.",
                page_hint=LOG_IN,
            )
        case ResponseKind.FORBIDDEN:
            return NotAuthorized(
                f"Zoho forbids this read ({details}).",
                hint=f"The user who made the grant code may probably not see this, or {scope} is missing.",
            )
        case ResponseKind.NOT_FOUND | ResponseKind.BAD_REQUEST | ResponseKind.REFUSED_BY_RULE:
            error = NotKnown if (result.kind, response.http_status) == (ResponseKind.NOT_FOUND, 404) else NotListed
            return error(
                f"Zoho knows no such course, batch or person, or has no list of it ({details}).", hint="Check the ids."
            )
        case ResponseKind.LIMITED | ResponseKind.LIMITED_UNPROVEN:
            is_form = operation in FORM_READS
            what = "the employee form" if is_form else "the account"
            others = "Removals go on." if is_form else "Removals wait too."
            return ReadsStopped(
                f"Zoho says that the allowance is used up and has locked {what} ({details}). {others}",
                hint="Try again when the lock is over, after some minutes.",
            )
        case ResponseKind.UNANSWERED | ResponseKind.SERVER_ERROR:
            return ReadsStopped(f"Zoho People did not answer as it should ({details}).", hint="Try again later.")
        case ReadKind.UNREADABLE:
            return unexpected_fields(f"Zoho's answer can't be read, so nothing follows from it ({details}).")
    return ReadsStopped(
        f"Something other than Zoho People answered, or in a form that is not known ({details}).",
        hint="Open Zoho People in a browser on this machine, then try again.",
    )
