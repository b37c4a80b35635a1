"""Hosts: recognize those that can only be a sandbox on this machine."""

from __future__ import annotations

SANDBOX_HOST = "sandbox"
"""The host of a plan that is made for the bundled sandbox, which takes a free port at each start."""


def is_sandbox(host: str) -> bool:
    """Whether a plan for ``host`` (``name`` or ``name:port``) can only reach a sandbox on this machine."""
    return host == SANDBOX_HOST or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether ``host`` (``name`` or ``name:port``) is this machine."""
    name = host.rpartition(":")[0] if host.count(":") == 1 or host.startswith("[") else host
    return name.strip("[]") in ("127.0.0.1", "::1", "localhost")
