"""Connections to Zoho People, or to the bundled sandbox in its place, for the runs and the reads of an account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from yarl import URL

from bulkremove.app import sandbox_run
from bulkremove.app.accounts import Accounts
from bulkremove.app.context import Context
from bulkremove.app.sandbox_run import RunningSandbox, SandboxOptions, SharedByRuns
from bulkremove.config import Settings
from bulkremove.domain.clock import seconds_between
from bulkremove.domain.http_date import parse_http_date
from bulkremove.domain.ledger import EMPLOYEE_CALLS, Quota
from bulkremove.domain.operation import Operation
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.reads import ReadLimiter, Reads
from bulkremove.engine.slot_decisions import Wait
from bulkremove.zoho.accounts import Credentials
from bulkremove.zoho.client import ZohoClient, open_client
from bulkremove.zoho.oauth import AccessTokens


class Connections:
    """The connections of one context. ``sandbox``: they lead to the bundled sandbox, not to Zoho People.

    ``shared``: what they have in common with those of other accounts and nights of this process.
    """

    def __init__(
        self, context: Context, accounts: Accounts, sandbox: SandboxOptions | None, shared: SharedByRuns
    ) -> None:
        self._context, self._accounts, self._sandbox, self._shared = context, accounts, sandbox, shared
        self.clock_skew: float | None = None
        """Seconds by which this machine's clock is ahead of Zoho's, by the last reply; None before the first."""

    @asynccontextmanager
    async def open(
        self, settings: Settings, credentials: Credentials, operations: tuple[Operation, ...]
    ) -> AsyncIterator[tuple[ZohoClient, AccessTokens]]:
        """A client for calls of these operations, and the access tokens of its account.

        Raises NotAuthorized or SettingsError.
        """
        async with self.in_sandbox() as sandbox:
            client = open_client(
                settings,
                base=URL(sandbox.url) if sandbox else None,
                operations=operations,
                speed=self._context.clock.speed,
                on_date=self._note_date,
            )
            async with client as open_one:
                yield (
                    open_one,
                    AccessTokens(
                        credentials,
                        accounts_url=sandbox.url if sandbox else settings.token_url,
                        home=sandbox.tokens if sandbox else settings.home,
                        clock=self._context.clock,
                        post=open_one.post_form,
                    ),
                )

    @asynccontextmanager
    async def in_sandbox(self) -> AsyncIterator[RunningSandbox | None]:
        """Start the sandbox for all runs within the context; None when runs go to Zoho People."""
        if self._sandbox is None or self._shared.sandbox is not None:
            yield self._shared.sandbox
            return
        quota, clock = self._context.settings.quota, self._context.clock
        async with sandbox_run.sandbox(self._sandbox, quota=quota, clock=clock) as running:
            self._shared.sandbox = running
            try:
                yield running
            finally:
                self._shared.sandbox = None

    def reads(
        self,
        settings: Settings,
        credentials: Credentials,
        client: ZohoClient,
        tokens: AccessTokens,
        *,
        on_wait: Callable[[Wait], None] = lambda wait: None,
    ) -> Reads:
        """The reads of an account over an open client. ``on_wait``: called with what a read waits for."""
        ledger = self._accounts.ledger_key(settings, credentials)
        return self._reads(client, tokens, ledger, settings.quota, on_wait)

    def employee_reads(
        self, settings: Settings, credentials: Credentials, client: ZohoClient, tokens: AccessTokens
    ) -> Reads:
        """The same for the employee form, whose limit is one of its own: neither its calls nor its lock are others'."""
        quota = replace(settings.quota, calls=EMPLOYEE_CALLS, window=60.0, daily=None)
        ledger = f"{self._accounts.ledger_key(settings, credentials)}|employees"
        return self._reads(client, tokens, ledger, quota, lambda wait: None)

    def _reads(
        self, client: ZohoClient, tokens: AccessTokens, ledger: str, quota: Quota, on_wait: Callable[[Wait], None]
    ) -> Reads:
        storage, clock, queue = self._context.storage, self._context.clock, self._queue(ledger, quota)
        limiter = ReadLimiter(storage.reads, storage.rate_limit, ledger, quota, clock, queue=queue, on_wait=on_wait)
        return Reads(client, limiter, tokens, clock)

    def queue(self, settings: Settings, credentials: Credentials) -> FairQueue:
        """The queue that the account's jobs in this process share; each event loop has its own."""
        return self._queue(self._accounts.ledger_key(settings, credentials), settings.quota)

    def _queue(self, ledger: str, quota: Quota) -> FairQueue:
        loop = asyncio.get_running_loop()
        if (loop, ledger) not in self._shared.queues:
            queues = {key: queue for key, queue in self._shared.queues.items() if key[0] is loop}
            queue = FairQueue(quota, speed=self._context.clock.speed)
            self._shared.queues = {**queues, (loop, ledger): queue}
        return self._shared.queues[loop, ledger]

    def _note_date(self, date: str) -> None:
        """Compare this machine's clock with the Date header of a reply."""
        if (zoho := parse_http_date(date)) is not None:
            self.clock_skew = seconds_between(zoho, self._context.clock.wall())
