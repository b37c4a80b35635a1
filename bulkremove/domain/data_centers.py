"""Zoho's data centres: which hosts are Zoho's at all. A closed list, so that no call can go anywhere else.

Sources: Zoho's multi-DC pages for the accounts hosts, its People documentation for ``.com``, and hosts that answered
in People's own error form on 2026-10-06. ``people.zoho.ca`` and ``people.zoho.com.sg`` do not exist.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataCenter:
    """One of Zoho's data centres and its two hosts; a token of one is refused by all others."""

    code: str
    name: str
    accounts: str
    people: str


DATA_CENTERS: dict[str, DataCenter] = {
    centre.code: centre
    for centre in (
        DataCenter("us", "United States", "accounts.zoho.com", "people.zoho.com"),
        DataCenter("eu", "Europe", "accounts.zoho.eu", "people.zoho.eu"),
        DataCenter("in", "India", "accounts.zoho.in", "people.zoho.in"),
        DataCenter("au", "Australia", "accounts.zoho.com.au", "people.zoho.com.au"),
        DataCenter("jp", "Japan", "accounts.zoho.jp", "people.zoho.jp"),
        DataCenter("cn", "China", "accounts.zoho.com.cn", "people.zoho.com.cn"),
        DataCenter("ca", "Canada", "accounts.zohocloud.ca", "people.zohocloud.ca"),
        DataCenter("sa", "Saudi Arabia", "accounts.zoho.sa", "people.zoho.sa"),
        DataCenter("ae", "United Arab Emirates", "accounts.zoho.ae", "people.zoho.ae"),
        DataCenter("sg", "Singapore", "accounts.zoho.sg", "people.zoho.sg"),
        DataCenter("uk", "United Kingdom", "accounts.zoho.uk", "people.zoho.uk"),
    )
}
"""By code."""

PEOPLE_HOSTS = frozenset(centre.people for centre in DATA_CENTERS.values())
ACCOUNTS_HOSTS = frozenset(centre.accounts for centre in DATA_CENTERS.values())
