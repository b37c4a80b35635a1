"""Idempotency keys of plans: a request to make one that is repeated with its key makes no second one."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bulkremove.domain.job import MAX_KEY_LENGTH
from bulkremove.web.fair_share import FairShare
from bulkremove.web.problems import KeyReused
from bulkremove.web.routes import person
from bulkremove.web.upload import MAX_UPLOADS_OF_PERSON, Upload
from bulkremove.web.uploads import Uploads


def key_of(request: web.Request) -> str:
    """Return the Idempotency-Key of a request; empty without one. Raises HTTPBadRequest if it is too long."""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > MAX_KEY_LENGTH:
        raise web.HTTPBadRequest(text=f"Idempotency-Key has more than {MAX_KEY_LENGTH} characters.")
    return key


def fingerprint(*values: object) -> str:
    """Return a text that is equal for requests that ask for the same plan."""
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()


class PlanKeys:
    """The idempotency keys with which programs have made plans that are still kept. Each person has their own."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._turns = FairShare(1, waiting=MAX_UPLOADS_OF_PERSON)

    @asynccontextmanager
    async def turn(self, request: web.Request) -> AsyncIterator[None]:
        """Hold the key of a request, if it has one: its repetition waits for its end."""
        key = key_of(request)
        if not key:
            yield
            return
        async with self._turns.turn(f"{person(request).name}\n{key}"):
            yield

    def find(self, request: web.Request, asked_for: str) -> Upload | None:
        """Return the plan that was made with the request's key, if there is one. Raises KeyReused.

        ``asked_for``: the fingerprint of the plan that the request asks for.
        """
        key = key_of(request)
        upload = self._uploads.by_key(person(request).name, key) if key else None
        if upload is not None and upload.fingerprint != asked_for:
            raise KeyReused(
                text="This Idempotency-Key was used to make another plan. Take a new key for another request."
            )
        return upload

    async def keep(self, request: web.Request, upload: Upload, asked_for: str) -> None:
        """Keep with a plan that it was made with the request's key."""
        if key := key_of(request):
            upload.idempotency_key, upload.fingerprint = key, asked_for
            await self._uploads.save(upload)
