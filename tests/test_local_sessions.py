"""The local user's sessions outlive the server; nothing on the disk opens one but the link."""

from __future__ import annotations

from pathlib import Path

from bulkremove.app import App
from bulkremove.config import Settings
from bulkremove.web.local_sessions import LINK_FILE, LocalSessions
from bulkremove.web.sessions import MAX_LOCAL_SESSION_SECONDS, Sessions

URL = "http://127.0.0.1:8040/start?token="


def sessions(home: Path, *, now: float = 1000.0, users: bool = False) -> Sessions:
    """Those of a server that was just started; its monotonic clock begins anew."""
    app = App(Settings(home), environ={})
    found = Sessions(app.users, users=users, clock=lambda: 5.0, wall=lambda: now, stored=LocalSessions(home))
    app.close()
    return found


def kept(home: Path) -> str:
    """All that the files of a home folder say."""
    return "".join(path.read_text("utf-8", "replace") for path in home.iterdir() if path.is_file())


def link(home: Path) -> str:
    return (home / LINK_FILE).read_text().strip() if (home / LINK_FILE).exists() else ""


async def test_a_session_outlives_a_restart_but_not_its_age_and_not_the_first_user(tmp_path: Path) -> None:
    first = sessions(tmp_path)
    assert first.announce(URL) == link(tmp_path)
    assert link(tmp_path)
    key = first.open_with_start_token(first.start_token or "")
    assert key
    assert "" == link(tmp_path), "a link that was used is of no use"
    assert key not in kept(tmp_path)
    assert await sessions(tmp_path).person_of(key)
    assert await sessions(tmp_path, now=1000.0 + MAX_LOCAL_SESSION_SECONDS - 1).person_of(key)
    assert await sessions(tmp_path, now=1000.0 + MAX_LOCAL_SESSION_SECONDS + 1).person_of(key) is None
    assert await sessions(tmp_path, users=True).person_of(key) is None


async def test_whoever_signs_out_is_out_after_a_restart_and_finds_another_link(tmp_path: Path) -> None:
    first = sessions(tmp_path)
    used = first.announce(URL)
    key = first.open_with_start_token(first.start_token or "")
    assert key
    first.close(key)
    assert await sessions(tmp_path).person_of(key) is None
    assert link(tmp_path).startswith(URL)
    assert used != link(tmp_path)
    assert first.open_with_start_token(link(tmp_path).removeprefix(URL))


async def test_a_damaged_or_shared_file_opens_no_session(tmp_path: Path) -> None:
    first = sessions(tmp_path)
    key = first.open_with_start_token(first.start_token or "")
    assert key
    file = tmp_path / "page-sessions.json"
    file.chmod(0o644)
    assert await sessions(tmp_path).person_of(key) is None
    file.chmod(0o600)
    for content in ("", "[]", "{", '{"a": "b"}', "null"):
        file.write_text(content)
        assert await sessions(tmp_path).person_of(key) is None
