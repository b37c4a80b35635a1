"""The parameters of ``:every_account OR account IN (...)``, which limits a query to accounts that a person may see."""

from __future__ import annotations

import json

from bulkremove.domain.permissions import AccountSet


def account_values(accounts: AccountSet) -> dict[str, object]:
    """The parameters for some accounts."""
    return {"every_account": accounts.is_all, "accounts": json.dumps(sorted(accounts.names))}
