"""Users and tokens in SQLite, with hashes only. Passwords are verified in ``app.users``."""

from __future__ import annotations

from collections.abc import Iterable

from bulkremove.domain.clock import Epoch
from bulkremove.domain.permissions import Role
from bulkremove.storage.interface.records import Record
from bulkremove.storage.interface.users import Token, User, UserCredentials
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import write_records
from bulkremove.storage.sqlite.transaction import Reader, Transaction

_USERS = Queries("users.sql")


class SqliteUsers:
    """``UserStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def users(self) -> list[User]:
        return await self._database.read(
            lambda reader: [User(name, Role(role), at) for name, role, at in reader.execute(_USERS.list_users)]
        )

    async def credentials(self, name: str) -> UserCredentials | None:
        def find(reader: Reader) -> UserCredentials | None:
            row = reader.execute(_USERS.get_user, name=name).fetchone()
            return None if row is None else UserCredentials(row[0], Role(row[1]), row[2], bool(row[3]))

        return await self._database.read(find)

    async def add_user(self, user: User, password: str, *records: Record, one_time: bool = False) -> bool:
        return await self._change(
            records,
            _USERS.insert_user,
            name=user.name,
            role=user.role,
            password=password,
            at=user.added_at,
            one_time=one_time,
        )

    async def set_password(self, name: str, password: str, *records: Record, one_time: bool = False) -> bool:
        return await self._change(records, _USERS.set_password, name=name, password=password, one_time=one_time)

    async def remove_user(self, name: str, *records: Record) -> bool:
        return await self._change(records, _USERS.delete_user, name=name)

    async def tokens(self) -> list[Token]:
        return await self._database.read(lambda reader: [_token(row) for row in reader.execute(_USERS.list_tokens)])

    async def token_of(self, digest: str) -> Token | None:
        def find(reader: Reader) -> Token | None:
            row = reader.execute(_USERS.get_token, digest=digest).fetchone()
            return None if row is None else _token(row)

        return await self._database.read(find)

    async def add_token(self, token: Token, digest: str, *records: Record) -> None:
        await self._change(
            records,
            _USERS.insert_token,
            id=token.id,
            name=token.name,
            role=token.role,
            owner=token.owner,
            digest=digest,
            added_at=token.added_at,
        )

    async def revoke_token(self, token_id: str, *records: Record, at: Epoch) -> bool:
        return await self._change(records, _USERS.revoke_token, id=token_id, at=at)

    async def _change(self, records: Iterable[Record], sql: str, **values: object) -> bool:
        """Change one row and write ``records`` with it; False, and nothing is written, when there is no such row."""

        def change(transaction: Transaction) -> bool:
            if transaction.execute(sql, **values).rowcount != 1:
                return False
            write_records(transaction, records)
            return True

        return await self._database.write(change)


def _token(row: Iterable[object]) -> Token:
    token_id, name, role, owner, added_at, revoked_at = row
    return Token(str(token_id), str(name), Role(str(role)), str(owner), added_at, revoked_at)  # type: ignore[arg-type] # STRICT columns
