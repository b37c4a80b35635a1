"""The token endpoint of Zoho's accounts host: one request, and what its reply says.

Replies contain secrets, so none of their text reaches a message. Pure but for the request, which comes in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping

from bulkremove.domain.attempt import Reply
from bulkremove.domain.errors import LOG_IN, ExchangeFailed, NoDescriptors, NotAuthorized, TokenDelayed
from bulkremove.zoho.accounts import Credentials

Post = Callable[[str, Mapping[str, str]], Awaitable[Reply]]
"""Posts a form to a URL; raises NeverSent or Unanswered."""
RETRY_SECONDS = 15.0
"""Seconds until the next attempt after the token endpoint could not be reached or gave no token."""
_USABLE_TOKEN = re.compile(r"[!-~]{1,2000}")
"""What a header can contain; a longer one would be refused by the server before Zoho People sees the call."""
_FATAL_ERRORS = frozenset(
    {"invalid_code", "invalid_client", "invalid_grant", "invalid_client_secret", "unauthorized_client"}
)


async def post_to_endpoint(
    post: Post, url: str, credentials: Credentials, form: Mapping[str, str]
) -> Mapping[str, object]:
    """Return the members of the JSON reply, none when it is not an object. Secrets go in the body, not in the URL."""
    client = {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    try:
        reply = await post(url, {**client, **form})
    except NoDescriptors as error:
        raise delayed_by(error.message, RETRY_SECONDS) from None
    except ExchangeFailed as error:
        raise delayed_by(f"Zoho's accounts host can't be reached. {error.message}", RETRY_SECONDS) from None
    if reply.status == 429:
        return {"error": "too many requests"}
    failure = f"HTTP {reply.status}" if reply.status >= 300 else ""
    try:
        members = json.loads(reply.body)
    except (ValueError, RecursionError):
        members = {}
    members = members if isinstance(members, dict) else {}
    return {**members, "error": members.get("error") or failure}


def is_throttled(members: Mapping[str, object]) -> bool:
    """Whether Zoho refuses for too many requests; by the text: the status is 200 (documented) or 400 (observed)."""
    text = f"{members.get('error', '')} {members.get('error_description', '')}".lower()
    return "too many requests" in text or "access denied" in text or "access_denied" in text


def token_in(members: Mapping[str, object], name: str) -> str:
    """The token of a reply; empty if it holds none that can be used, or an error beside it."""
    token = members.get(name)
    return token if isinstance(token, str) and is_usable(token) and not members["error"] else ""


def error_in(members: Mapping[str, object]) -> str:
    """The error that a reply names, in small letters, whether it is a text or an object with a code."""
    error = members.get("error")
    if isinstance(error, dict):
        error = error.get("code") or error.get("error")
    return str(error or "").strip().lower()


def raise_if_fatal(members: Mapping[str, object]) -> None:
    """Raise NotAuthorized for an error that only a person can end."""
    if (error := error_in(members)) in _FATAL_ERRORS:
        raise NotAuthorized(
            f"Zoho refuses the account's credentials ({error}): revoked, mistyped, or of another data centre.",
            hint="A person must run `bulkremove login` again.",
            page_hint=LOG_IN,
        )


def lifetime(value: object) -> float:
    """Convert ``expires_in`` to seconds; 3600, Zoho's own value, when it is missing or not plausible."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 86_400:
        return float(value)
    return 3600.0


def delayed_by(message: str, seconds: float) -> TokenDelayed:
    """The error for no token now, but perhaps in ``seconds``."""
    return TokenDelayed(message, retry_in=seconds, hint="The rows wait; nothing is lost.")


def is_usable(token: str) -> bool:
    """Whether a text can be an access token: without blanks, of a length that a header may have."""
    return _USABLE_TOKEN.fullmatch(token) is not None
