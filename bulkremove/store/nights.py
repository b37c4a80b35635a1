"""Nights, the files they took, and the notices that wait: what an unattended run must know of those before it."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.store.database import Database


@dataclass(frozen=True, slots=True)
class Taken:
    """A content that a night took: under which name, when (epoch seconds), and what became of it.

    ``place``: the file's name in ``working``.
    """

    digest: str
    name: str
    taken_at: float
    place: str
    job: str | None
    held: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people are to be told. ``attachment``: path of a report, or None."""

    key: str
    subject: str
    body: str
    attachment: str | None
    tries: int = 0


class Nights:
    """The unattended runs of the journal."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, date: str, *, at: float) -> int:
        """A night starts; its number."""
        begun = self._db.execute("INSERT INTO night (date, started_at) VALUES (?, ?)", date, at)
        return int(begun.lastrowid or 0)

    def end(self, night: int, *, at: float, good: bool) -> None:
        self._db.execute("UPDATE night SET ended_at = ?, good = ? WHERE id = ?", at, int(good), night)

    def last_date(self) -> str | None:
        """The local date of the last night that started."""
        found = self._db.execute("SELECT date FROM night ORDER BY id DESC LIMIT 1").fetchone()
        return None if found is None else str(found[0])

    def last_good(self) -> float | None:
        """When the last good night ended (epoch seconds)."""
        at: float | None = self._db.execute("SELECT max(ended_at) FROM night WHERE good = 1").fetchone()[0]
        return at

    def sizes(self, count: int) -> list[int]:
        """How many rows each of the last night jobs that ran was to remove, the newest first."""
        found = self._db.execute(
            "SELECT (SELECT count(*) FROM row WHERE row.job = job.id AND state NOT IN"
            " ('duplicate', 'invalid', 'done_before')) FROM job"
            " WHERE origin = 'night' AND state IN ('finished', 'stopped', 'paused', 'running')"
            " ORDER BY created_at DESC LIMIT ?",
            count,
        )
        return [size for (size,) in found]

    def taken(self, digest: str) -> Taken | None:
        """What became of that content, if it was taken before."""
        found = self._db.execute(
            "SELECT digest, name, taken_at, place, job, held FROM taken WHERE digest = ?", digest
        ).fetchone()
        return None if found is None else Taken(*found)

    def take(self, digest: str, name: str, place: str, *, at: float) -> None:
        """A content is taken, or taken anew."""
        self._db.execute(
            "INSERT INTO taken (digest, name, place, taken_at) VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET"
            " name = excluded.name, place = excluded.place, taken_at = excluded.taken_at, job = NULL, held = ''",
            *(digest, name, place, at),
        )

    def becomes(self, digest: str, *, job: str | None, held: str = "") -> None:
        """What the content has become: a job, or nothing and why."""
        self._db.execute("UPDATE taken SET job = ?, held = ? WHERE digest = ?", job, held, digest)

    # What people are to be told

    def tell(self, notice: Notice, *, at: float) -> None:
        """Put a notice into the outbox; nothing happens when one of that key was put there before."""
        self._db.execute(
            "INSERT INTO notice (key, at, subject, body, attachment, next_at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            *(notice.key, at, notice.subject, notice.body, notice.attachment, at),
        )

    def to_send(self, now: float) -> list[Notice]:
        """The notices that wait and are due, the oldest first."""
        found = self._db.execute(
            "SELECT key, subject, body, attachment, tries FROM notice"
            " WHERE sent_at IS NULL AND next_at <= ? ORDER BY at, key",
            now,
        )
        return [Notice(*values) for values in found]

    def waiting(self) -> int:
        """How many notices were not sent yet."""
        return int(self._db.execute("SELECT count(*) FROM notice WHERE sent_at IS NULL").fetchone()[0])

    def sent(self, key: str, *, at: float) -> None:
        self._db.execute("UPDATE notice SET sent_at = ? WHERE key = ?", at, key)

    def failed(self, key: str, *, next_at: float) -> None:
        """It could not be sent; it is tried again at ``next_at`` (epoch seconds)."""
        self._db.execute("UPDATE notice SET tries = tries + 1, next_at = ? WHERE key = ?", next_at, key)
