"""Zoho's data centres and their hosts: a closed list, so that no call can go to any other host.

Sources: Zoho's multi-DC pages for the accounts hosts, its People documentation for ``.com``, and hosts that answered
in People's own error format on 2026-10-06. ``people.zoho.ca`` and ``people.zoho.com.sg`` do not exist.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataCenter:
    """A data centre and its two hosts (OAuth and Zoho People); a token of one is refused by all others."""

    code: str
    name: str
    accounts: str
    people: str


DATA_CENTERS: dict[str, DataCenter] = {
    center.code: center
    for center in (
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

PEOPLE_HOSTS = frozenset(center.people for center in DATA_CENTERS.values())
ACCOUNTS_HOSTS = frozenset(center.accounts for center in DATA_CENTERS.values())
