"""Notices to people: written to the outbox together with what they tell, sent when they can be."""

from bulkremove.app.notices.notifier import Notifier
from bulkremove.app.notices.outbox import Outbox

__all__ = ["Notifier", "Outbox"]
