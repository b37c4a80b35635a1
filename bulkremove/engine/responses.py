"""Find the response to a row's last call, from an exchange or the journal, and apply accepted wordings to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from bulkremove.domain.attempt import PendingRow, Permit
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import NeverSent
from bulkremove.domain.operation import REMOVE_LEARNER, PlannedOperation
from bulkremove.domain.wording import Wording
from bulkremove.zoho import response_parser
from bulkremove.zoho.client import Exchange
from bulkremove.zoho.enrolment_answer import proves_enrolment
from bulkremove.zoho.response_kind import Response, ResponseKind


def response_of(exchange: Exchange[Permit], operation: PlannedOperation, *, now: Epoch) -> Response:
    """Return the response of an exchange, even if no reply arrived.

    A "not found" that names another learner says nothing about this one. Any call but a removal counts only if the bare
    success proves it; a learner id in that response is not compared with anything, since it may be a new one.
    """
    if exchange.reply is not None:
        response = response_parser.parse(exchange.reply, now=now)
        if operation != REMOVE_LEARNER:
            is_proven = response.kind is ResponseKind.REMOVED and proves_enrolment(exchange.reply.body)
            is_unproven = response.kind is ResponseKind.OTHER_WORDING or (
                response.kind is ResponseKind.REMOVED and not is_proven
            )
            return replace(response, kind=ResponseKind.CONTRADICTORY if is_unproven else response.kind, learner=None)
        if response.kind is not ResponseKind.NOT_FOUND or response.learner is None:
            return response
        is_other = response.learner != exchange.admission.permit.pending_row.removal.learner
        kind = ResponseKind.NOT_FOUND_FOREIGN if is_other else response.kind
        return replace(response, kind=kind, learner=None)
    response_kind = ResponseKind.NEVER_SENT if isinstance(exchange.failure, NeverSent) else ResponseKind.UNANSWERED
    return Response(response_kind, text=str(exchange.failure))


async def with_accepted_wording(response: Response, is_accepted: Callable[[Wording], Awaitable[bool]]) -> Response:
    """Return the response as a proven removal if a person has accepted exactly this wording."""
    if response.kind is not ResponseKind.OTHER_WORDING:
        return response
    wording = Wording(response.http_status or 0, response.api_code or "", response.text)
    if await is_accepted(wording):
        return replace(response, kind=ResponseKind.ACCEPTED_WORDING)
    return replace(response, learner=None)


def last_response(pending_row: PendingRow) -> Response:
    """Return the last response that the journal records for a row, which only an earlier run has sent."""
    last = pending_row.attempts[-1]
    return Response(
        ResponseKind(last.response_kind or ResponseKind.UNANSWERED), last.http_status, last.api_code, last.text
    )
