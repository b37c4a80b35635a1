"""Notices to people: stored in the outbox in the transaction of the event they report, and sent later."""

from bulkremove.app.notices.notifier import Notifier
from bulkremove.app.notices.outbox import Outbox

__all__ = ["Notifier", "Outbox"]
