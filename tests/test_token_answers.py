"""The token endpoint's exact answers, as its pages and recordings show them, and what each means for a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses
from yarl import URL

from bulkremove.domain.errors import NotAuthorized, TokenDelayed
from bulkremove.zoho.accounts import Credentials
from bulkremove.zoho.client import ZohoClient
from bulkremove.zoho.oauth import AccessTokens
from tests.virtual_time import VirtualClock

ACCOUNTS = "https://accounts.zoho.eu"
TOKEN_URL = f"{ACCOUNTS}/oauth/v2/token"
SECRET, REFRESH = "the-secret", "1000.the-refresh"
TOO_MANY = {
    "error_description": "You have made too many requests continuously. Please try again after some time.",
    "error": "Access Denied",
    "status": "failure",
}


class Response(ClientResponse):
    """aioresponses 0.7.9 doesn't know an argument that aiohttp 3.14 asks for (measured)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"stream_writer": Mock(), **kwargs})


async def ask(home: Path, *answers: dict[str, Any]) -> tuple[str, list[Any]]:
    """The token, after these answers in their order, and the forms that were sent."""
    people = ZohoClient(URL("https://people.zoho.eu"))
    who = Credentials("eu", "client", SECRET, REFRESH)
    tokens = AccessTokens(who, accounts_url=ACCOUNTS, home=home, clock=VirtualClock(), post=people.post_form)
    try:
        with aioresponses() as zoho:
            for answer in answers:
                zoho.post(TOKEN_URL, response_class=Response, **answer)
            token = await tokens.token()
            calls = zoho.requests["POST", URL(TOKEN_URL)]
    finally:
        await people.close()
    return token, [call.kwargs["data"] for call in calls]


async def test_a_token_is_asked_for_with_a_form_and_no_secret_in_the_address(tmp_path: Path) -> None:
    granted = {"access_token": "1000.new", "api_domain": "https://www.zohoapis.eu", "token_type": "Bearer"}
    token, forms = await ask(tmp_path, {"payload": {**granted, "expires_in": 3600}})
    assert "1000.new" == token
    form = {"grant_type": "refresh_token", "client_id": "client", "client_secret": SECRET, "refresh_token": REFRESH}
    assert [form] == forms


@pytest.mark.parametrize(
    "error",
    ["invalid_code", "invalid_client", "invalid_grant", "INVALID_CODE", "invalid_code ", {"code": "invalid_code"}],
)
@pytest.mark.parametrize("status", [200, 400, 401])
async def test_dead_credentials_stop_at_once_with_what_a_person_does(
    tmp_path: Path, error: object, status: int
) -> None:
    with pytest.raises(NotAuthorized, match="bulkremove login") as told:
        await ask(tmp_path, {"payload": {"error": error}, "status": status})
    assert SECRET not in str(told.value)
    assert REFRESH not in str(told.value)


@pytest.mark.parametrize("status", [200, 400, 429])
async def test_too_many_requests_are_a_lock_of_ten_minutes_that_outlives_the_process(
    tmp_path: Path, status: int
) -> None:
    for answers in ([{"payload": TOO_MANY, "status": status}], []):  # the second one asks nothing: the lock is on disk
        with pytest.raises(TokenDelayed) as told:
            await ask(tmp_path, *answers)
        assert told.value.retry_in is not None
        assert 590.0 <= told.value.retry_in <= 601.0


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<html>Sign in</html>", "content_type": "text/html"},
        {"payload": {"access_token": ""}},
        {"payload": ["access_token"]},
        {"status": 503},
        *({"payload": {"access_token": token}} for token in ("1000.a\r\nX: 1", "1000.\ud800", "1000. b", "a" * 9000)),
        {"payload": {"access_token": "1000.abc", "error": "general_error"}},
        *({"payload": {"access_token": "1000.abc"}, "status": status} for status in (302, 400, 500)),
        {"payload": {"access_token": "1000.abc", "error": ""}, "status": 500},
    ],
)
async def test_anything_else_is_no_token_and_is_never_taken_for_one(tmp_path: Path, answer: dict[str, Any]) -> None:
    with pytest.raises(TokenDelayed):
        await ask(tmp_path, answer)
