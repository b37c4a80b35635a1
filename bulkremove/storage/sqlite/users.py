"""Users and tokens in SQLite, with hashes only. Passwords are verified in ``app.users``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bulkremove.domain.clock import Epoch
from bulkremove.domain.permissions import Access, Role
from bulkremove.storage.interface.records import Record
from bulkremove.storage.interface.users import Check, Token, User, UserCredentials
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
        return await self._database.read(_users)

    async def credentials(self, name: str) -> UserCredentials | None:
        def find(reader: Reader) -> UserCredentials | None:
            row = reader.execute(_USERS.get_user, name=name).fetchone()
            return None if row is None else UserCredentials(row[0], _access(row[1]), row[2], bool(row[3]))

        return await self._database.read(find)

    async def add_user(self, user: User, password: str, *records: Record, one_time: bool = False) -> bool:
        return await self._change(
            records,
            _USERS.insert_user,
            name=user.name,
            roles=_roles(user.access),
            password=password,
            at=user.added_at,
            one_time=one_time,
        )

    async def set_password(self, name: str, password: str, *records: Record, one_time: bool = False) -> bool:
        return await self._change(records, _USERS.set_password, name=name, password=password, one_time=one_time)

    async def set_access(self, name: str, access: Access, check: Check, *records: Record) -> bool:
        def change(users: Sequence[User]) -> list[User]:
            return [replace(user, access=access) if _is_named(user, name) else user for user in users]

        return await self._change_users(name, change, check, records, _USERS.set_roles, roles=_roles(access))

    async def remove_user(self, name: str, check: Check, *records: Record, at: Epoch) -> bool:
        def change(users: Sequence[User]) -> list[User]:
            return [user for user in users if not _is_named(user, name)]

        statements = (_USERS.delete_user, _USERS.revoke_tokens_of)
        return await self._change_users(name, change, check, records, *statements, at=at)

    async def withdraw_account(self, account: str, *records: Record) -> list[str]:
        def withdraw(transaction: Transaction) -> list[str]:
            statements = (_USERS.withdraw_from_users, _USERS.withdraw_from_tokens)
            names = [name for sql in statements for (name,) in transaction.execute(sql, account=account).fetchall()]
            if names:
                write_records(transaction, records)
            return names

        return await self._database.write(withdraw)

    async def _change_users(
        self,
        name: str,
        change: Callable[[Sequence[User]], Sequence[User]],
        check: Check,
        records: Iterable[Record],
        *statements: str,
        **values: object,
    ) -> bool:
        """Change one of the users as ``change`` (pure) says, if ``check`` raises nothing."""

        def work(transaction: Transaction) -> bool:
            users = _users(transaction)
            if not any(_is_named(user, name) for user in users):
                return False
            check(users, change(users))
            for sql in statements:
                transaction.execute(sql, name=name, **values)
            write_records(transaction, records)
            return True

        return await self._database.write(work)

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
            roles=_roles(token.access),
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


def _users(reader: Reader) -> list[User]:
    return [User(name, _access(roles), at) for name, roles, at in reader.execute(_USERS.list_users)]


def _is_named(user: User, name: str) -> bool:
    return user.name.lower() == name.lower()  # names are ASCII, as SQLite's NOCASE is


def _access(roles: str) -> Access:
    return Access({account: Role(role) for account, role in json.loads(roles).items()})


def _roles(access: Access) -> str:
    return json.dumps(dict(access.roles))


def _token(row: Iterable[object]) -> Token:
    token_id, name, roles, owner, added_at, revoked_at = row
    return Token(str(token_id), str(name), _access(str(roles)), str(owner), added_at, revoked_at)  # type: ignore[arg-type] # STRICT columns
