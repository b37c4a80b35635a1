"""Use cases for the tokens of programs, of which SHA-256 digests are stored.

A token has an access of its own, and may never do more than its owner may at that moment.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace

from bulkremove.app.accounts import Accounts
from bulkremove.app.context import Context
from bulkremove.app.users import NAME, USERS_HINT
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.errors import UserError
from bulkremove.domain.permissions import Access
from bulkremove.storage.interface.records import Act
from bulkremove.storage.interface.users import Token


class Tokens:
    """The tokens of one context."""

    def __init__(self, context: Context, accounts: Accounts) -> None:
        self._context, self._users, self._accounts = context, context.storage.users, accounts

    async def all(self) -> list[Token]:
        """All tokens, revoked ones too."""
        return await self._users.tokens()

    async def add(self, name: str, access: Access, *, by: str, owner: str = "") -> tuple[Token, str]:
        """Add a token for a program; returns it and its secret, of which only a digest is stored. Raises UserError.

        ``owner``: the person who is responsible for it, else who adds it; under ``four_eyes`` both are one person.
        ``access``: no more than that of an owner who signs in here.
        """
        if owner and NAME.fullmatch(owner) is None:
            raise UserError(
                f"{owner!r} is not a valid user name: letters, digits, '.', '_', '@' and '-' only, at most 64."
            )
        if NAME.fullmatch(name) is None:
            raise UserError(
                f"{name!r} is not a valid token name: letters, digits, '.', '_', '@' and '-' only, at most 64."
            )
        await self._accounts.check_known(access.roles)
        user = await self._users.credentials(owner)
        if user is not None and not access.is_within(user.access):
            raise UserError(
                f"A token of {user.name} can't be {access}: {user.name} is {user.access}.",
                hint="Give it less, or another --owner.",
            )
        if owner and user is None and await self._users.users() and not self._context.settings.auth_header:
            raise UserError(f"There is no user {owner!r}, who would limit this token.", hint=USERS_HINT)
        now = self._context.clock.wall()
        token = Token(secrets.token_hex(4), name, access, owner or by, now, None)
        secret = f"bulkremove_{secrets.token_urlsafe(32)}"
        facts = {"token": token.id, "name": name, "role": str(access), "owner": token.owner}
        await self._users.add_token(token, _digest(secret), Act(by, AuditAct.TOKEN_ADDED, facts, now))
        return token, secret

    async def revoke(self, token_id: str, *, by: str) -> None:
        """Revoke a token at once. Raises UserError when there is no valid token of that id."""
        entry = Act(by, AuditAct.TOKEN_REVOKED, {"token": token_id}, self._context.clock.wall())
        if not await self._users.revoke_token(token_id, entry, at=entry.at):
            raise UserError(f"There is no valid token {token_id!r}.", hint="`bulkremove tokens` lists them.")

    async def authenticate(self, secret: str) -> Token | None:
        """The valid token with this secret, limited to what its owner may do now; None for any other text."""
        token = await self._users.token_of(_digest(secret))
        return None if token is None else await self.limited(token)

    async def limited(self, token: Token) -> Token:
        """A token as it counts: limited to the present access of its owner, if that is a user who signs in here."""
        owner = await self._users.credentials(token.owner)
        return token if owner is None else replace(token, access=token.access.limited_to(owner.access))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
