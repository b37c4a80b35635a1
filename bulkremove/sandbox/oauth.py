"""The token endpoint: which client gets an access token, how many, and which tokens are still valid.

The limits are Zoho's documented ones (Kaizen 43; CRM v8, "token validity"): 10 access tokens in 10 minutes from one
refresh token, then none until those minutes are over; 15 valid at a time, the 16th ends the oldest. Does no I/O and
logs no token.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping

from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.sandbox import replies
from bulkremove.sandbox.replies import CannedResponse
from bulkremove.sandbox.threshold import FirstCall
from bulkremove.sandbox.world import Client

MAX_TOKENS = 10
TOKENS_WINDOW = 600.0
"""At most ``MAX_TOKENS`` access tokens are issued from one refresh token in ``TOKENS_WINDOW`` seconds."""
MAX_LIVE_TOKENS = 15
"""Access tokens of one refresh token that are valid at the same time."""
SCHEME = "Zoho-oauthtoken "


class IssuedTokens:
    """The grant codes and tokens of one client. Times are seconds of the sandbox's clock."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._codes = set(client.grant_codes)
        self._live: dict[str, dict[str, float]] = {client.refresh_token: {}}
        """Refresh token -> its valid access tokens, oldest first, with the time at which each expires."""
        self._issued: dict[str, FirstCall] = {}
        """Refresh token -> the counter of the access tokens that were issued from it."""
        self._scopes = client.scope.replace(",", " ").split()

    def grant(self, form: Mapping[str, str], now: float) -> CannedResponse:
        """Issue tokens: the answer to ``POST /oauth/v2/token``."""
        client = self._client
        if (form.get("client_id"), form.get("client_secret")) != (client.client_id, client.client_secret):
            return replies.token_refused("invalid_client")
        match form.get("grant_type"):
            case "refresh_token":
                refresh_token = form.get("refresh_token", "")
                if refresh_token not in self._live:
                    return replies.token_refused("invalid_code")
                return self._issue(refresh_token, now, {})
            case "authorization_code":
                if form.get("code") not in self._codes:
                    return replies.token_refused("invalid_code")
                self._codes.discard(form["code"])
                refresh_token = _new_token()
                self._live[refresh_token] = {}
                return self._issue(refresh_token, now, {"refresh_token": refresh_token})
        return replies.token_refused("unsupported_grant_type")

    def revoke(self, form: Mapping[str, str]) -> CannedResponse:
        """End a refresh token and all of its access tokens: the answer to ``POST /oauth/v2/token/revoke``."""
        if self._live.pop(form.get("token", ""), None) is None:
            return replies.token_refused("invalid_code")
        return replies.token_granted({"status": "success"})

    def objection(
        self, header: str | None, now: float, scopes: Collection[str] = REMOVE_LEARNER.scopes
    ) -> CannedResponse | None:
        """The refusal of a call with this Authorization header; None when the call is allowed.

        ``scopes``: any one of them is enough.
        """
        if header is None or not header.startswith(SCHEME) or not header.removeprefix(SCHEME).strip():
            return replies.NO_CREDENTIAL
        token = header.removeprefix(SCHEME)
        if not any(live.get(token, now) > now for live in self._live.values()):
            return replies.INVALID_TOKEN
        return replies.NO_SCOPE if set(scopes).isdisjoint(self._scopes) else None

    def expire(self, header: str | None) -> None:
        """End the access token in this Authorization header."""
        for live in self._live.values():
            live.pop((header or "").removeprefix(SCHEME), None)

    def _issue(self, refresh_token: str, now: float, extra: Mapping[str, str]) -> CannedResponse:
        if self._issued.setdefault(refresh_token, FirstCall(MAX_TOKENS, TOKENS_WINDOW)).full(now):
            return replies.token_throttled(self._client.throttled_with)
        live = self._live[refresh_token]
        for token in [token for token, end in live.items() if end <= now]:
            del live[token]
        if len(live) >= MAX_LIVE_TOKENS:
            del live[next(iter(live))]
        access_token = _new_token()
        live[access_token] = now + self._client.expires_in
        members = {
            "access_token": access_token,
            **extra,
            "scope": " ".join(self._scopes),
            "api_domain": "https://www.zohoapis.com",
            "token_type": "Bearer",
            "expires_in": self._client.expires_in,
        }
        return replies.token_granted(members)


def _new_token() -> str:
    return f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
