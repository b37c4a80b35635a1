"""Zoho People's HTTP interface: requests, responses, access tokens, accounts."""
