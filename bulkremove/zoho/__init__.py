"""The HTTP client for Zoho People: requests, responses, access tokens and accounts."""
