"""The sandbox on its socket: documented answers, tokens, faults, and a log that tells the truth about each request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from yarl import URL

from bulkremove.domain.errors import SandboxError
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.row import Removal
from bulkremove.sandbox import (
    Batch,
    Client,
    Fault,
    Faults,
    Latency,
    LockResponse,
    LoggedRequest,
    Sandbox,
    Threshold,
    World,
    build_sandbox,
    read_log,
)
from bulkremove.sandbox.faults import BROKEN, KINDS
from tests.virtual_time import VirtualClock, run

COURSE, BATCH = "478346000000645203", "478346000000645215"
LEARNERS = tuple(f"4783460000195582{n:02}" for n in range(60))
CLIENT = Client("sandbox-client", "made-up secret", "1000.made-up.refresh", ("1000.made-up.code",))
WORLD = World("Example", CLIENT, (Batch(COURSE, BATCH, "Batch 1", LEARNERS),))


T = TypeVar("T")


def who(n: int = 0) -> Removal:
    return Removal(COURSE, BATCH, LEARNERS[n])


def path_of(number: int = 0) -> str:
    return REMOVE_LEARNER.path_of(who(number).ids)


class Repeated(Exception):
    """The connection broke, and aiohttp was about to send the same request again by itself."""


class Caller:
    """A plain client of the sandbox: one request each, nothing repeated or followed."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession, clock: VirtualClock) -> None:
        self.sandbox, self.session, self.clock = sandbox, session, clock
        self.header: str | None = None

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, bytes, dict[str, str]]:
        headers = {"Authorization": self.header} if self.header is not None else {}
        sent = False

        async def once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            nonlocal sent
            if sent:
                raise Repeated
            sent = True
            return await send(request)

        options |= {"headers": headers, "allow_redirects": False, "middlewares": (once,)}
        url = URL(self.sandbox.url + path, encoded=True)
        async with self.session.request(method, url, **options) as response:
            return response.status, await response.read(), dict(response.headers)

    async def remove(self, removal: Removal) -> tuple[int, Any]:
        status, body, _ = await self.call("DELETE", REMOVE_LEARNER.path_of(removal.ids))
        return status, json.loads(body)

    async def token(self, **form: str) -> tuple[int, dict[str, Any]]:
        full = {
            "grant_type": "refresh_token",
            "client_id": CLIENT.client_id,
            "client_secret": CLIENT.client_secret,
            "refresh_token": CLIENT.refresh_token,
            **form,
        }
        status, body, _ = await self.call("POST", "/oauth/v2/token", data=full)
        return status, json.loads(body)

    async def log_in(self) -> str:
        _, granted = await self.token()
        self.header = f"Zoho-oauthtoken {granted['access_token']}"
        return self.header


def on_sandbox(
    main: Callable[[Caller], Awaitable[T]],
    *,
    world: World = WORLD,
    threshold: Threshold | None = None,
    logged_in: bool = True,
    **options: Any,
) -> T:
    """Run ``main`` against a sandbox, in virtual time over a real socket, each call on its own connection."""

    async def inside() -> T:
        clock = VirtualClock()
        sandbox = Sandbox(world, clock=clock, threshold=threshold or Threshold(), **options)
        connector = aiohttp.TCPConnector(force_close=True)
        async with sandbox, aiohttp.ClientSession(connector=connector) as session:
            caller = Caller(sandbox, session, clock)
            if logged_in:
                await caller.log_in()
            return await main(caller)

    return run(inside, wire=0.002)


def with_faults(**faults: Any) -> World:
    return replace(WORLD, faults=Faults(**faults))


# --- the removal call ---------------------------------------------------------------------------------------


def test_a_removal_is_answered_as_documented_and_a_second_one_finds_nobody() -> None:
    """HTTP 200 with a code as text and the learner's id; afterwards 404 in Zoho's JSON form."""

    async def main(caller: Caller) -> None:
        success = {"code": "200", "learnerId": LEARNERS[0], "message": "success"}
        assert (200, success) == await caller.remove(who())
        assert (404, {"code": "404", "message": "Not found"}) == await caller.remove(who())
        assert {who()} == caller.sandbox.removed
        assert set(map(who, range(1, 60))) == caller.sandbox.enrolled
        assert [(True, 200), (False, 404)] == [(e.effect, e.status) for e in caller.sandbox.requests if e.removal]

    on_sandbox(main)


@pytest.mark.parametrize(
    ("removal", "expected"),
    [
        (Removal("1", BATCH, LEARNERS[0]), (404, "404")),
        (Removal(COURSE, "1", LEARNERS[0]), (404, "404")),
        (Removal(COURSE, BATCH, "1"), (404, "404")),
        (Removal(COURSE, BATCH, "0" + LEARNERS[0]), (404, "404")),
        (Removal(COURSE, BATCH, "9" * 20), (400, "INVALID_INPUT")),
    ],
)
def test_ids_that_mean_nobody_remove_nobody(removal: Removal, expected: tuple[int, str]) -> None:
    """An unknown course, batch or learner is not found; an id of 20 digits is no valid input."""

    async def main(caller: Caller) -> None:
        status, body = await caller.remove(removal)
        assert expected == (status, body["code"])
        assert set() == caller.sandbox.removed

    on_sandbox(main)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (400, 7202)),
        ("", (400, 7202)),
        ("Zoho-oauthtoken ", (400, 7202)),
        ("Bearer 1000.abc", (400, 7202)),
        ("Zoho-oauthtoken 1000.abc", (401, 7213)),
    ],
)
def test_a_call_without_a_good_token_is_refused(header: str | None, expected: tuple[int, int]) -> None:
    """No credential is code 7202, a wrong one 7213, and nobody is removed."""

    async def main(caller: Caller) -> None:
        caller.header = header
        status, body = await caller.remove(who())
        assert expected == (status, body["response"]["errors"]["code"])
        (entry,) = caller.sandbox.requests
        assert (False, False, True, who()) == (entry.effect, entry.token_ok, entry.counted, entry.removal)

    on_sandbox(main, logged_in=False)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("ZOHOPEOPLE.training.ALL", 200),
        ("ZOHOPEOPLE.forms.READ,ZOHOPEOPLE.training.DELETE", 200),
        ("ZOHOPEOPLE.training.READ,ZOHOPEOPLE.training.CREATE", 401),
    ],
)
def test_removing_needs_its_scope(scope: str, expected: int) -> None:
    """training.ALL or training.DELETE; without them code 7218."""

    async def main(caller: Caller) -> None:
        status, body = await caller.remove(who())
        assert expected == status
        assert (expected == 401) == ("7218" in json.dumps(body))
        assert (expected == 200) == (who() in caller.sandbox.removed)

    on_sandbox(main, world=replace(WORLD, client=replace(CLIENT, scope=scope)))


# --- what is no removal of one learner -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "alarm"),
    [
        (f"/api/v1/courses/{COURSE}/batches/{BATCH}/learners/..", "DELETE of a whole batch"),
        (f"/api/v1/courses/{COURSE}/batches/{BATCH}/learners/%2e%2e", "DELETE of a whole batch"),
        (f"/api/v1/courses/{COURSE}/batches/{BATCH}/", "DELETE of a whole batch"),
        (f"/api/v1/courses/{COURSE}", "DELETE of a whole course"),
        (f"/api/v1/courses/{COURSE}/learners/{LEARNERS[0]}", "DELETE of a learner from a whole course"),
        (f"/api/v1/courses/{COURSE}/batches/{BATCH}/learners/", "DELETE of something else"),
        (f"/api/v1/courses/{COURSE}/batches/{BATCH}/learners/%D9%A1", "DELETE of something else"),
        (f"{path_of()}?force=1", "DELETE of something else"),
        (f"/api/v1/courses/{COURSE}/batches/{BATCH}?authtoken=x", "DELETE of a whole batch"),
        ("/elsewhere", "DELETE of something else"),
    ],
)
def test_a_delete_of_anything_else_does_nothing_and_raises_an_alarm(path: str, alarm: str) -> None:
    """The real service resolves dots, so a learner id of two dots would be the whole batch."""

    async def main(caller: Caller) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", caller.sandbox.port)
        request = f"DELETE {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {caller.header}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        answer = await reader.read()
        writer.close()
        assert b"HTTP/1.1 404 Not Found" == answer.splitlines()[0]
        assert {"code": "404", "message": "Not found"} == json.loads(answer.splitlines()[-1])
        assert [alarm] == [entry.alarm for entry in caller.sandbox.alarms]
        assert set() == caller.sandbox.removed

    on_sandbox(main)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", path_of()), ("POST", path_of()), ("GET", "/"), ("GET", "/oauth/v2/token"), ("PUT", "/api/v1/courses")],
)
def test_everything_else_is_not_found_and_in_the_log(method: str, path: str) -> None:
    """404 in Zoho's JSON form, one entry, no alarm."""

    async def main(caller: Caller) -> None:
        status, body, _ = await caller.call(method, path)
        assert (404, {"code": "404", "message": "Not found"}) == (status, json.loads(body))
        entry = caller.sandbox.requests[-1]
        assert (method, path, None, 404, None) == (entry.method, entry.path, entry.removal, entry.status, entry.alarm)

    on_sandbox(main)


# --- the threshold --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "expected", "words", "header"),
    [
        (LockResponse.STATUS_422, 422, '"code": "422"', None),
        (LockResponse.STATUS_429, 429, '"code": "429"', None),
        (LockResponse.RETRY_AFTER, 429, '"code": "429"', "300"),
        (LockResponse.TITLE_400, 400, "URL_ROLLING_THROTTLES_LIMIT_EXCEEDED", None),
        (LockResponse.TITLE_400, 400, "Try again after 5 minutes", None),
        (LockResponse.CODE_7209, 200, '"code": 7209', None),
        (LockResponse.HTML_400, 400, "<h1>Too many requests", None),
    ],
)
def test_the_31st_call_is_told_of_the_lock(told: LockResponse, expected: int, words: str, header: str | None) -> None:
    """Thirty pass, the next is refused in the chosen way without effect, and 300 s later all is well again."""

    async def main(caller: Caller) -> None:
        for n in range(30):
            assert (await caller.remove(who(n)))[0] == 200
        status, body, headers = await caller.call("DELETE", path_of(30))
        assert (expected, header) == (status, headers.get("Retry-After"))
        assert words in body.decode()
        assert who(30) in caller.sandbox.enrolled
        entry = caller.sandbox.requests[-1]
        assert (True, True, False, expected) == (entry.locked, entry.counted, entry.effect, entry.status)
        assert (1, 1, 31) == (
            caller.sandbox.threshold.lockouts,
            caller.sandbox.threshold.refused,
            caller.sandbox.threshold.peak_calls,
        )
        await caller.clock.sleep(300)
        assert (await caller.remove(who(30)))[0] == 200

    on_sandbox(main, lock_response=told)


def test_a_short_lock_is_told_in_seconds() -> None:
    """A lock of 20 s does not ask for a wait of a minute."""

    async def main(caller: Caller) -> None:
        await caller.remove(who())
        assert "Try again after 20 seconds" in json.dumps(await caller.remove(who(1)))

    on_sandbox(main, threshold=Threshold(1, 4, 20), lock_response=LockResponse.TITLE_400)


def test_refused_calls_count_too_and_token_calls_do_not() -> None:
    """Of 30 counted calls, 29 had no good token; the account is locked all the same."""

    async def main(caller: Caller) -> None:
        good, caller.header = caller.header, "Zoho-oauthtoken 1000.abc"
        for n in range(29):
            assert (await caller.remove(who(n)))[0] == 401
        caller.header = good
        assert (200, 422) == ((await caller.remove(who(0)))[0], (await caller.remove(who(1)))[0])
        assert 31 == sum(entry.counted for entry in caller.sandbox.requests)

    on_sandbox(main)


def test_foreign_traffic_spends_the_same_allowance() -> None:
    """With 20 calls a minute of others, our 15 in the second minute are too many."""

    async def main(caller: Caller) -> None:
        await caller.clock.sleep(60)
        statuses = [(await caller.remove(who(n)))[0] for n in range(15)]
        assert [200] * 10 + [422] * 5 == statuses

    on_sandbox(main, world=with_faults(foreign_per_minute=20))


# --- tokens ---------------------------------------------------------------------------------------------------


def test_a_refresh_is_answered_as_documented() -> None:
    """An access token for an hour, with its scope, and no new refresh token."""

    async def main(caller: Caller) -> None:
        status, granted = await caller.token()
        assert (200, 3600, "ZOHOPEOPLE.training.ALL", "Bearer", "https://www.zohoapis.com") == (
            status,
            granted["expires_in"],
            granted["scope"],
            granted["token_type"],
            granted["api_domain"],
        )
        assert "refresh_token" not in granted
        caller.header = f"Zoho-oauthtoken {granted['access_token']}"
        assert (await caller.remove(who()))[0] == 200

    on_sandbox(main, logged_in=False)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"client_id": "1000.OTHER"}, "invalid_client"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"refresh_token": "1000.wrong"}, "invalid_code"),
        ({"grant_type": "authorization_code", "code": "1000.wrong"}, "invalid_code"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_wrong_credentials_are_refused_with_http_200(form: dict[str, str], expected: str) -> None:
    """Zoho tells its token errors inside HTTP 200."""

    async def main(caller: Caller) -> None:
        assert (200, {"error": expected}) == await caller.token(**form)

    on_sandbox(main, logged_in=False)


def test_a_grant_code_is_good_for_one_exchange() -> None:
    """It gives a refresh token that works; the second time it is invalid."""

    async def main(caller: Caller) -> None:
        form = {"grant_type": "authorization_code", "code": CLIENT.grant_codes[0]}
        _, granted = await caller.token(**form)
        assert "access_token" in (await caller.token(refresh_token=granted["refresh_token"]))[1]
        assert (200, {"error": "invalid_code"}) == await caller.token(**form)

    on_sandbox(main, logged_in=False)


@pytest.mark.parametrize("expected", [200, 400])
def test_the_eleventh_token_in_ten_minutes_is_denied_until_they_are_over(expected: int) -> None:
    """Ten pass; then "too many requests continuously" with either status, also for the right credentials."""

    async def main(caller: Caller) -> None:
        for _ in range(10):
            assert "access_token" in (await caller.token())[1]
        status, denied = await caller.token()
        assert (expected, "Access Denied", "failure") == (status, denied["error"], denied["status"])
        assert "too many requests continuously" in denied["error_description"]
        await caller.clock.sleep(599)
        assert "error" in (await caller.token())[1]
        await caller.clock.sleep(2)
        assert "access_token" in (await caller.token())[1]

    on_sandbox(main, logged_in=False, world=replace(WORLD, client=replace(CLIENT, throttled_with=expected)))


def test_the_sixteenth_live_token_ends_the_first() -> None:
    """Fifteen access tokens are good at once; with one more the oldest is invalid."""

    async def main(caller: Caller) -> None:
        headers = []
        for n in range(16):
            if n == 10:
                await caller.clock.sleep(601)
            headers.append(await caller.log_in())
        statuses = []
        for n, header in enumerate(headers):
            caller.header = header
            statuses.append((await caller.remove(who(n)))[0])
        assert [401] + [200] * 15 == statuses

    on_sandbox(main, logged_in=False)


def test_an_access_token_ends_after_its_life() -> None:
    """Good a second before, invalid a second after; the life is the world's."""

    async def main(caller: Caller) -> None:
        await caller.clock.sleep(119)
        assert (await caller.remove(who(0)))[0] == 200
        await caller.clock.sleep(2)
        assert (await caller.remove(who(1)))[0] == 401
        await caller.log_in()
        assert (await caller.remove(who(1)))[0] == 200

    on_sandbox(main, world=replace(WORLD, client=replace(CLIENT, expires_in=120)))


def test_a_revoked_refresh_token_ends_with_all_its_access_tokens() -> None:
    """The documented revoke call; a second one is told that there is no such token."""

    async def main(caller: Caller) -> None:
        form = {"token": CLIENT.refresh_token}
        first = await caller.call("POST", "/oauth/v2/token/revoke", data=form)
        second = await caller.call("POST", "/oauth/v2/token/revoke", data=form)
        assert ({"status": "success"}, {"error": "invalid_code"}) == (json.loads(first[1]), json.loads(second[1]))
        assert (await caller.remove(who()))[0] == 401
        assert (200, {"error": "invalid_code"}) == await caller.token()

    on_sandbox(main)


# --- faults ---------------------------------------------------------------------------------------------------

CANNED = {
    "202": (202, "accepted"),
    "204": (204, ""),
    "301": (301, ""),
    "302": (302, ""),
    "303": (303, ""),
    "307": (307, ""),
    "308": (308, ""),
    "400": (400, "INVALID_INPUT"),
    "401": (401, "7213"),
    "403": (403, "403"),
    "422": (422, "422"),
    "429": (429, "429"),
    "500": (500, "500"),
    "502": (502, "502"),
    "503": (503, "503"),
    "504": (504, "504"),
    "blank_credential": (400, "7202"),
    "blocked_page": (403, "<!DOCTYPE html>"),
    "completed": (400, "COURSE_ALREADY_COMPLETED"),
    "contradictory": (200, '"code": "200"'),
    "empty_200": (200, ""),
    "failed_learners": (200, "failedLearners"),
    "failure_in_200": (200, '"failure"'),
    "expired_token": (401, "7213"),
    "forbidden_in_200": (200, "9009"),
    "from_cache": (200, '"message": "success"'),
    "gateway_404": (404, "Not Found"),
    "html_200": (200, "<!DOCTYPE html>"),
    "html_401": (401, "<!DOCTYPE html>"),
    "html_403": (403, "<!DOCTYPE html>"),
    "html_404": (404, "<!DOCTYPE html>"),
    "html_502": (502, "<!DOCTYPE html>"),
    "internal_error_400": (400, "INTERNAL_ERROR"),
    "limit_text_502": (502, "Too many requests"),
    "null": (200, "null"),
    "other_wording": (200, "removed successfully"),
    "scope_missing": (401, "7218"),
    "unknown_json": (200, "done"),
    "wrong_data_centre": (400, "7201"),
}
HONEST = {"ok": '"code": "200"', "slow": '"code": "200"', "number_code": '"code": 200', "other_learner": "558201"}


def test_no_kind_of_fault_is_left_out_here() -> None:
    """The tables above and the broken kinds are all that there are."""
    assert {*CANNED, *HONEST, *BROKEN} == KINDS


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize("kind", CANNED)
def test_a_fault_puts_its_answer_in_the_place_of_the_true_one(kind: str, effect: bool) -> None:
    """Whether the learner is gone is the fault's choice, never the answer's; the log knows; the next call is good."""

    async def main(caller: Caller) -> None:
        status, body, headers = await caller.call("DELETE", path_of())
        assert (CANNED[kind][0], path_of() if status in (301, 302, 303, 307, 308) else None) == (
            status,
            headers.get("Location"),
        )
        assert CANNED[kind][1] in body.decode()
        assert not (body and CANNED[kind][1] == "")
        assert effect == (who() in caller.sandbox.removed)
        entry = caller.sandbox.requests[-1]
        assert (effect, status, kind, True) == (entry.effect, entry.status, entry.fault, entry.counted)
        await caller.log_in()
        assert (404 if effect else 200) == (await caller.remove(who()))[0]

    on_sandbox(main, world=with_faults(learners={LEARNERS[0]: (Fault(kind, effect), Fault())}))


@pytest.mark.parametrize("kind", HONEST)
def test_an_unusual_success_is_a_success(kind: str) -> None:
    """Late, with a number for a code, or naming another learner; the second time nobody is found."""

    async def main(caller: Caller) -> None:
        before = caller.clock.monotonic()
        status, body = await caller.remove(who())
        assert (200, True) == (status, who() in caller.sandbox.removed)
        assert HONEST[kind] in json.dumps(body)
        assert (caller.clock.monotonic() - before >= 8) == (kind == "slow")
        assert (await caller.remove(who()))[0] == 404

    fault = Fault.parse("slow:8" if kind == "slow" else kind)
    on_sandbox(main, world=with_faults(learners={LEARNERS[0]: (fault,)}))


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("reset", Repeated, None),
        ("truncated", aiohttp.ClientPayloadError, 200),
        ("silence", TimeoutError, None),
        ("drip", TimeoutError, 200),
    ],
)
def test_an_answer_that_never_arrives_whole(
    kind: str, error: type[Exception], status: int | None, effect: bool
) -> None:
    """A reset, half a body, silence, a body that never ends: the log knows whether the learner is gone."""

    async def main(caller: Caller) -> None:
        with pytest.raises(error):
            await caller.call("DELETE", path_of(), timeout=aiohttp.ClientTimeout(total=20))
        entry = caller.sandbox.requests[-1]
        assert (effect, status, kind) == (entry.effect, entry.status, entry.fault)
        assert effect == (who() in caller.sandbox.removed)
        assert (404 if effect else 200) == (await caller.remove(who()))[0]

    on_sandbox(main, world=with_faults(learners={LEARNERS[0]: (Fault(kind, effect), Fault())}))


def test_a_reset_is_a_real_one() -> None:
    """The caller's socket sees RST, not an orderly end."""

    async def main(caller: Caller) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", caller.sandbox.port)
        writer.write(f"DELETE {path_of()} HTTP/1.1\r\nHost: x\r\nAuthorization: {caller.header}\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    on_sandbox(main, world=with_faults(learners={LEARNERS[0]: (Fault("reset"),)}))


def test_an_endless_body_goes_on_as_long_as_somebody_reads() -> None:
    """Ten megabytes are read and there is more; a caller who leaves ends it."""

    async def main(caller: Caller) -> None:
        headers = {"Authorization": str(caller.header)}
        url = caller.sandbox.url + path_of()
        async with caller.session.delete(url, headers=headers) as response:
            assert len(await response.content.readexactly(10_000_000)) == 10_000_000
            response.close()
        assert set() == caller.sandbox.removed

    on_sandbox(main, world=with_faults(learners={LEARNERS[0]: (Fault("endless"),)}))


def test_an_expired_token_is_dead_until_a_new_one_is_asked_for() -> None:
    """Other learners' calls with it are refused too; a plain 401 leaves it alone."""

    async def main(caller: Caller) -> None:
        assert [401, 200, 401, 401] == [(await caller.remove(who(n)))[0] for n in (0, 1, 2, 3)]
        await caller.log_in()
        assert [200, 200] == [(await caller.remove(who(n)))[0] for n in (2, 3)]

    faults = {LEARNERS[0]: (Fault("401"),), LEARNERS[2]: (Fault("expired_token"), Fault())}
    on_sandbox(main, world=with_faults(learners=faults))


@pytest.mark.parametrize("fault", ["503:120", "429:120", "500_after_effect:120"])
def test_a_fault_can_ask_for_a_wait(fault: str) -> None:
    """Seconds behind a 429 or 5xx are its Retry-After."""

    async def main(caller: Caller) -> None:
        assert "120" == (await caller.call("DELETE", path_of()))[2]["Retry-After"]

    on_sandbox(main, world=with_faults(learners={LEARNERS[0]: (Fault.parse(fault),)}))


def test_a_hidden_repeat_is_seen_on_the_wire() -> None:
    """aiohttp sends a DELETE once more by itself when a kept connection is reset: the log has more than was called."""

    async def main(caller: Caller) -> None:
        async with aiohttp.ClientSession(headers={"Authorization": str(caller.header)}) as session:
            for n in range(20):
                async with session.delete(caller.sandbox.url + path_of(n)) as response:
                    assert response.status in (200, 404)
        assert 24 == sum(entry.removal is not None for entry in caller.sandbox.requests)
        assert 4 == sum(entry.fault == "reset" for entry in caller.sandbox.requests)

    on_sandbox(main, world=with_faults(every={5: Fault("reset", effect=True)}))


def test_faults_neither_fall_on_locked_calls_nor_are_used_up_by_them() -> None:
    """A learner's first fault waits until a call for it gets past the threshold and the token check."""

    async def main(caller: Caller) -> None:
        assert [200, 422] == [(await caller.remove(who(n)))[0] for n in (1, 0)]
        await caller.clock.sleep(300)
        good, caller.header = caller.header, None
        assert (await caller.remove(who(0)))[0] == 400
        caller.header = good
        await caller.clock.sleep(60)
        assert (await caller.remove(who(0)))[0] == 403

    on_sandbox(main, threshold=Threshold(1), world=with_faults(learners={LEARNERS[0]: (Fault("403"), Fault())}))


def test_latency_delays_the_answer_and_not_the_effect() -> None:
    """After two of its three seconds the caller has no answer, and the learner is gone and in the log."""

    async def main(caller: Caller) -> None:
        before = caller.clock.monotonic()
        task = asyncio.create_task(caller.remove(who()))
        await caller.clock.sleep(2)
        assert (False, {who()}, 200) == (task.done(), caller.sandbox.removed, caller.sandbox.requests[-1].status)
        assert (await task)[0] == 200
        assert pytest.approx(3, abs=0.1) == caller.clock.monotonic() - before

    on_sandbox(main, world=with_faults(latency=Latency(3)))


TOKEN_FAULTS = [
    ("throttled", 200, "too many requests continuously"),
    ("no_token", 200, "general_error"),
    ("invalid_code", 200, "invalid_code"),
    ("invalid_client", 200, "invalid_client"),
    ("invalid_grant", 200, "invalid_grant"),
    ("html_200", 200, "<!DOCTYPE html>"),
    ("empty_200", 200, ""),
    ("429", 429, "Too many requests"),
    ("500", 500, "Internal server error"),
    ("502", 502, "Internal server error"),
    ("503", 503, "Internal server error"),
    ("504", 504, "Internal server error"),
]


@pytest.mark.parametrize(("kind", "expected", "words"), TOKEN_FAULTS)
def test_the_token_endpoint_has_faults_of_its_own(kind: str, expected: int, words: str) -> None:
    """The first call meets the fault and gives no token, the second is answered as ever."""

    async def main(caller: Caller) -> None:
        form = {"client_id": CLIENT.client_id, "client_secret": CLIENT.client_secret}
        form |= {"refresh_token": CLIENT.refresh_token, "grant_type": "refresh_token"}
        status, body, _ = await caller.call("POST", "/oauth/v2/token", data=form)
        assert (expected, False, kind) == (status, b"access_token" in body, caller.sandbox.requests[-1].fault)
        assert words in body.decode()
        assert "access_token" in (await caller.token())[1]

    on_sandbox(main, logged_in=False, world=with_faults(token=(Fault(kind), Fault())))


@pytest.mark.parametrize(
    ("kind", "error"),
    [("reset", aiohttp.ClientOSError), ("truncated", aiohttp.ClientPayloadError), ("silence", TimeoutError)],
)
def test_a_token_can_get_lost_on_its_way(kind: str, error: type[Exception]) -> None:
    """The token was given out and never arrived; the next call brings another."""

    async def main(caller: Caller) -> None:
        with pytest.raises(error):
            async with asyncio.timeout(20):
                await caller.token()
        assert "access_token" in (await caller.token())[1]

    on_sandbox(main, logged_in=False, world=with_faults(token=(Fault(kind), Fault())))


# --- the log --------------------------------------------------------------------------------------------------


def test_the_log_can_be_read_while_the_sandbox_runs_and_is_the_same_as_in_memory(tmp_path: Path) -> None:
    """Each entry is in the file before its answer arrives; a half-written line is left out."""
    path = tmp_path / "log.jsonl"

    async def main(caller: Caller) -> list[LoggedRequest]:
        for n in range(5):
            with suppress(Repeated):
                await caller.call("DELETE", path_of(n))
            assert caller.sandbox.requests == list(read_log(path))
        await caller.call("GET", "/api/v1/courses?authtoken=made-up")
        return caller.sandbox.requests

    entries = on_sandbox(main, log=path, world=with_faults(every={2: Fault("reset", effect=True)}))
    path.write_bytes(path.read_bytes() + b'{"time": 1')
    assert entries == list(read_log(path))
    assert [None, *map(who, range(5)), None] == [entry.removal for entry in entries]


def test_no_secret_is_in_the_log_and_a_secret_in_an_address_raises_an_alarm(tmp_path: Path) -> None:
    """Neither the credentials nor any token, also where someone puts them into the address."""
    path = tmp_path / "log.jsonl"

    async def main(caller: Caller) -> None:
        await caller.token(grant_type="authorization_code", code=CLIENT.grant_codes[0])
        await caller.remove(who())
        await caller.call("POST", "/oauth/v2/token?client_secret=made-up&refresh_token=made-up")
        assert ["a secret in the address"] == [entry.alarm for entry in caller.sandbox.alarms]
        told = path.read_text() + repr(caller.sandbox.requests) + repr(caller.sandbox.world)
        assert "made-up" not in told
        assert str(caller.header).split()[1] not in told

    on_sandbox(main, log=path)


def test_a_second_run_appends_to_the_log(tmp_path: Path) -> None:
    """The truth of a run that was killed is never overwritten by the next."""
    path = tmp_path / "log.jsonl"

    async def main(caller: Caller) -> None:
        await caller.remove(who())

    on_sandbox(main, log=path)
    on_sandbox(main, log=path)
    assert 4 == len(list(read_log(path)))


# --- starting, stopping, callers who leave --------------------------------------------------------------------


def sandbox(**options: Any) -> Sandbox:
    return Sandbox(WORLD, clock=VirtualClock(), threshold=Threshold(), **options)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.com"])  # noqa: S104 - must be refused
async def test_it_listens_on_this_machine_only(host: str) -> None:
    """Any other address is refused before a socket is opened."""
    with pytest.raises(SandboxError, match="this machine only"):
        await sandbox().start(host)


async def test_a_port_that_is_taken_is_told_plainly() -> None:
    """The second sandbox on a port names the port and says what to do."""
    async with sandbox() as first:
        with pytest.raises(SandboxError, match=f"can't listen on 127.0.0.1:{first.port}.*another --port"):
            await sandbox().start(port=first.port)


async def test_a_number_that_is_no_port_is_told_plainly() -> None:
    """Ports end at 65535."""
    with pytest.raises(SandboxError, match="70000 is not a valid port"):
        await sandbox().start(port=70_000)


async def test_a_log_that_cannot_be_written_is_told_plainly(tmp_path: Path) -> None:
    """A folder in the place of the file: the message names it."""
    with pytest.raises(SandboxError, match=f"{tmp_path} can't be written"):
        await sandbox(log=tmp_path).start()


def test_an_unknown_way_to_tell_a_lock_is_refused() -> None:
    """The message names those that there are."""
    with pytest.raises(SandboxError, match="422, 429, 429-retry-after"):
        sandbox(lock_response="418")


async def test_a_sandbox_can_be_stopped_and_started_again_with_its_memory() -> None:
    """The port is free again, and who was removed stays removed."""
    one = sandbox()
    await one.start()
    port = one.port
    await one.stop()
    one.removed.add(who())
    await one.start(port=port)
    assert (f"http://127.0.0.1:{port}", {who()}) == (one.url, one.removed)
    await one.stop()
    with pytest.raises(RuntimeError, match="not running"):
        _ = one.url


def test_a_sandbox_can_be_used_by_one_loop_after_another() -> None:
    """Also after a silent call, as where a run dies and another goes on against the same world."""
    one = sandbox(faults=Faults(learners={LEARNERS[0]: (Fault("silence"),)}))

    async def inside() -> int:
        async with one, aiohttp.ClientSession() as session:
            caller = Caller(one, session, VirtualClock())
            await caller.log_in()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await caller.remove(who())
        return len(one.requests)

    assert [2, 4] == [run(inside, wire=0.002), run(inside, wire=0.002)]


def test_stopping_ends_calls_that_still_wait() -> None:
    """A silent call and a slow one are cut off at once, not after their time."""

    async def main(caller: Caller) -> float:
        calls = [asyncio.create_task(caller.call("DELETE", path_of(n))) for n in (0, 1)]
        await caller.clock.sleep(1)
        before = caller.clock.monotonic()
        await caller.sandbox.stop()
        assert [Repeated, Repeated] == [type(e) for e in await asyncio.gather(*calls, return_exceptions=True)]
        return caller.clock.monotonic() - before

    faults = {LEARNERS[0]: (Fault("silence"),), LEARNERS[1]: (Fault("slow", seconds=900),)}
    assert on_sandbox(main, world=with_faults(learners=faults)) < 1


@pytest.mark.parametrize("kind", ["slow", "drip", "endless", "silence", "truncated", "reset", "503"])
def test_a_caller_who_leaves_is_no_trouble(
    kind: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is printed or logged when a caller hangs up in the middle, and the next one is served."""

    async def main(caller: Caller) -> None:
        trouble: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
        request = f"DELETE {path_of()} HTTP/1.1\r\nHost: x\r\nAuthorization: {caller.header}\r\n\r\n"
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", caller.sandbox.port)
            writer.write(request.encode())
            await caller.clock.sleep(0.01)
            writer.transport.abort()
            await caller.clock.sleep(60)
        assert (await caller.remove(who(1)))[0] == 200
        assert 4 == sum(entry.removal is not None for entry in caller.sandbox.requests)
        assert [] == trouble

    fault = Fault(kind, effect=kind == "reset", seconds=2 if kind == "slow" else None)
    on_sandbox(main, world=with_faults(learners={LEARNERS[0]: (fault,)}))
    assert ([], "", "") == (caplog.messages, *capfd.readouterr())


POST = b"POST /oauth/v2/token HTTP/1.1\r\nHost: x\r\n"
NOISE = {
    "a caller who wants TLS": b"\x16\x03\x01\x02\x00",
    "no HTTP": b"hello\r\n\r\n",
    "HTTP of the future": b"DELETE / HTTP/9.9\r\n\r\n",
    "half a request": b"GET",
    "half a form": POST + b"Content-Length: 100\r\n\r\ngrant_type=",
    "a form that is none": POST + b"Content-Type: multipart/form-data; charset=x\r\nContent-Length: 1\r\n\r\n\xff",
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_noise_on_the_socket_is_no_trouble(
    noise: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever arrives, nothing is printed or logged and the next caller is served."""

    async def main(caller: Caller) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", caller.sandbox.port)
        writer.write(noise)
        await caller.clock.sleep(1)
        writer.close()
        assert (await caller.remove(who()))[0] == 200

    on_sandbox(main)
    assert ([], "", "") == (caplog.messages, *capfd.readouterr())


def test_a_sandbox_is_built_from_a_world_file(tmp_path: Path) -> None:
    """Figures, rule and the way to tell a lock are options; foreign traffic given here stands above the world's."""
    path = tmp_path / "world.json"
    tree = {
        "organisation": "Example",
        "client": {"client_id": "sandbox-client", "client_secret": "made-up", "refresh_token": "1000.made-up"},
        "batches": [{"courseId": COURSE, "batchId": BATCH, "name": "Batch 1", "learners": list(LEARNERS)}],
        "faults": {"foreign_per_minute": 1},
    }
    path.write_text(json.dumps(tree), "utf-8")

    async def main() -> list[tuple[int, bool]]:
        clock = VirtualClock()
        options: dict[str, Any] = {"calls": 4, "window": 10, "lock": 20, "rule": "fixed", "lock_response": "429"}
        built = build_sandbox(path, clock=clock, **options, extend=True, foreign_per_minute=18, log=tmp_path / "log")
        assert (4, 10, 20, "fixed", True) == (
            built.threshold.calls,
            built.threshold.window,
            built.threshold.lock,
            built.threshold.rule,
            built.threshold.extend,
        )
        async with built, aiohttp.ClientSession() as session:
            await clock.sleep(9.5)
            for n in range(3):
                async with session.delete(built.url + path_of(n)) as response:
                    await response.read()
        return [(entry.status or 0, entry.locked) for entry in read_log(tmp_path / "log")]

    assert [(400, False), (400, False), (429, True)] == run(main, wire=0.002)
