"""Exceptions of aiohttp as ``NeverSent`` if no byte can have left, else as ``Unanswered``, with words for people."""

from __future__ import annotations

import errno
import os

import aiohttp

from bulkremove.domain.errors import ExchangeFailed, NeverSent, NoDescriptors, Unanswered


class ReplyTooLarge(ValueError):
    """The body is larger than the client reads."""


def translate(error: Exception) -> ExchangeFailed:
    """Convert an exception of aiohttp; unless it proves that no byte left, the request counts as sent (Unanswered)."""
    match error:
        case aiohttp.ClientConnectorError() if _lacks_descriptors():  # the look-up and TLS open files, too
            return NoDescriptors(
                "This machine lets the program open no more files and connections.", hint="Raise its limit (ulimit -n)."
            )
        case aiohttp.ClientConnectorDNSError():
            return NeverSent("The name of Zoho's host can't be looked up.")
        case aiohttp.ClientConnectorCertificateError():
            return NeverSent(_certificate_text(getattr(error, "certificate_error", error)))
        case aiohttp.ClientConnectorSSLError():
            return NeverSent(
                "No encrypted connection can be made (TLS): something between this machine and Zoho does not "
                "speak it, or only an old version of it."
            )
        case aiohttp.ClientHttpProxyError():
            return NeverSent("The proxy lets no connection through.")
        case aiohttp.ClientConnectorError():
            return NeverSent("No connection can be made.")
        case aiohttp.ConnectionTimeoutError():
            return NeverSent("The connection was not made in time.")
        case aiohttp.InvalidURL():
            return NeverSent("The address is not valid.")
        case TimeoutError():
            return Unanswered("No answer came in time.")
        case aiohttp.ServerDisconnectedError():
            return Unanswered("The connection was closed before an answer came.")
        case aiohttp.ClientPayloadError():
            return Unanswered("The answer broke off.")
        case ReplyTooLarge():
            return Unanswered("The answer was larger than any answer to this call can be.")
    return Unanswered("The connection broke before the whole answer came.")


def _certificate_text(error: object) -> str:
    """What is wrong with the certificate that was shown in Zoho's name: its date, its name or its issuer."""
    match getattr(error, "verify_code", None):
        case 9 | 10:  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
            return (
                "The certificate is not valid at this date (TLS): set this machine's clock, or let whoever runs the "
                "proxy renew it."
            )
        case 62 | 64:  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            return (
                "The certificate carries another name than Zoho's (TLS): a sign-in page or a proxy answers in its "
                "place. Let this machine reach Zoho's hosts directly."
            )
        case 18 | 19 | 20 | 21:  # self-signed, or an issuer that is not known here
            return (
                "The certificate's issuer is not trusted here (TLS): a proxy that looks into encrypted traffic makes "
                "its own. Name the file with its issuer's certificate in SSL_CERT_FILE, or let Zoho's hosts pass."
            )
    return "The certificate can't be trusted (TLS)."


def _lacks_descriptors() -> bool:
    """Whether this process, or the whole system, has no file descriptor left."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False
