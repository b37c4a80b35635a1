"""The web page and the HTTP API: handlers that call the use cases of ``app`` and render their results.

No handler counts, filters or decides by itself. ``security`` checks each request before its handler sees it. Browsers
load nothing from other sites: templates, the stylesheet and htmx are in the package.
"""

from bulkremove.web.server import serve

__all__ = ["serve"]
