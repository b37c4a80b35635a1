"""The token endpoint's memory: who may have a token, how many, and which are still good.

The limits are Zoho's documented ones (Kaizen 43; CRM v8, "token validity"): 10 access tokens in 10 minutes from one
refresh token, then none for the rest of them; 15 live ones, the 16th ends the first. Pure; never logs a token.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.sandbox import replies
from bulkremove.sandbox.replies import Answer
from bulkremove.sandbox.threshold import FirstCall
from bulkremove.sandbox.world import Client

TOKENS = 10
TOKENS_WINDOW = 600.0
"""Access tokens from one refresh token in so many seconds."""
MAX_LIVE_TOKENS = 15
"""Access tokens of one refresh token that are good at the same time."""
SCHEME = "Zoho-oauthtoken "

_SCOPES = frozenset(REMOVE_LEARNER.scopes)
"""Either is enough to remove a learner (Zoho People, "Remove learner from batch")."""


class IssuedTokens:
    """The tokens of one client. Times are the sandbox clock's seconds."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._codes = set(client.grant_codes)
        self._live: dict[str, dict[str, float]] = {client.refresh_token: {}}
        """Refresh token -> its access tokens, oldest first, with the time each ends."""
        self._issued: dict[str, FirstCall] = {}
        self._scopes = client.scope.replace(",", " ").split()
        self._may_remove = not _SCOPES.isdisjoint(self._scopes)

    def grant(self, form: Mapping[str, str], now: float) -> Answer:
        """The answer to POST /oauth/v2/token."""
        client = self._client
        if (form.get("client_id"), form.get("client_secret")) != (client.client_id, client.client_secret):
            return replies.token_refused("invalid_client")
        match form.get("grant_type"):
            case "refresh_token":
                refresh = form.get("refresh_token", "")
                if refresh not in self._live:
                    return replies.token_refused("invalid_code")
                return self._access(refresh, now, {})
            case "authorization_code":
                if form.get("code") not in self._codes:
                    return replies.token_refused("invalid_code")
                self._codes.discard(form["code"])
                refresh = _new()
                self._live[refresh] = {}
                return self._access(refresh, now, {"refresh_token": refresh})
        return replies.token_refused("unsupported_grant_type")

    def revoke(self, form: Mapping[str, str]) -> Answer:
        """The answer to POST /oauth/v2/token/revoke: the refresh token and all of its access tokens end."""
        if self._live.pop(form.get("token", ""), None) is None:
            return replies.token_refused("invalid_code")
        return replies.token_granted({"status": "success"})

    def objection(self, header: str | None, now: float) -> Answer | None:
        """Why a call with this Authorization header is refused; None when it is let through."""
        if header is None or not header.startswith(SCHEME) or not header.removeprefix(SCHEME).strip():
            return replies.NO_CREDENTIAL
        token = header.removeprefix(SCHEME)
        if not any(live.get(token, now) > now for live in self._live.values()):
            return replies.INVALID_TOKEN
        return None if self._may_remove else replies.NO_SCOPE

    def expire(self, header: str | None) -> None:
        """The access token in this Authorization header ends now."""
        for live in self._live.values():
            live.pop((header or "").removeprefix(SCHEME), None)

    def _access(self, refresh: str, now: float, extra: Mapping[str, str]) -> Answer:
        if self._issued.setdefault(refresh, FirstCall(TOKENS, TOKENS_WINDOW)).full(now):
            return replies.token_throttled(self._client.throttled_with)
        live = self._live[refresh]
        for token in [token for token, ends in live.items() if ends <= now]:
            del live[token]
        if len(live) >= MAX_LIVE_TOKENS:
            del live[next(iter(live))]
        access = _new()
        live[access] = now + self._client.expires_in
        granted = {
            "access_token": access,
            **extra,
            "scope": " ".join(self._scopes),
            "api_domain": "https://www.zohoapis.com",
            "token_type": "Bearer",
            "expires_in": self._client.expires_in,
        }
        return replies.token_granted(granted)


def _new() -> str:
    return f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
