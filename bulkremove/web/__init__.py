"""The page: a thin shell for people who have never seen a terminal. It counts, filters and decides nothing.

Every act is a use case of ``app``; who may ask at all is decided in ``security`` before anything else. Nothing is
loaded from elsewhere: templates, the stylesheet and htmx are in the package.
"""

from bulkremove.web.server import serve

__all__ = ["serve"]
