"""Hosts: recognize those that can only be a sandbox on this machine."""

from __future__ import annotations

from urllib.parse import urlsplit

SANDBOX_HOST = "sandbox"
"""The host of a plan that is made for the bundled sandbox, which takes a free port at each start."""
SANDBOX_CLIENT = "sandbox"
"""What the client ids of a sandbox begin with; Zoho's own begin with 1000."""


def is_sandbox(host: str) -> bool:
    """Whether a plan for ``host`` (``name`` or ``name:port``) can only reach a sandbox on this machine."""
    return host == SANDBOX_HOST or is_loopback(host)


def is_same_target(host: str, other: str) -> bool:
    """Whether both hosts are Zoho's, or both are the same sandbox: jobs of one are not shown or run by the other."""
    return host == other or not (is_sandbox(host) or is_sandbox(other))


def is_loopback(host: str) -> bool:
    """Whether ``host`` (``name``, ``name:port`` or a bare IPv6 address) is this machine."""
    try:
        # Of "localhost:x@people.zoho.com" the host is what follows the @.
        name = urlsplit(f"//{f'[{host}]' if host.count(':') > 1 and not host.startswith('[') else host}").hostname
    except ValueError:
        return False
    return name in ("127.0.0.1", "::1", "localhost")
