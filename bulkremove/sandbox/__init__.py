"""A stand-in for Zoho People on this machine, for sandbox runs, tests and benchmarks.

Behaves as Zoho's pages say, goes wrong on demand, and keeps the truth about every request, so that a report can be
compared with it. It shares no code with the product's way to the wire, and never listens beyond loopback.
"""

from bulkremove.sandbox.faults import Fault, Faults, Latency
from bulkremove.sandbox.log import Entry, read_log
from bulkremove.sandbox.replies import LockTold
from bulkremove.sandbox.server import Sandbox, build
from bulkremove.sandbox.threshold import Foreign, Rule, Threshold
from bulkremove.sandbox.world import Batch, Client, World, load, parse

__all__ = [
    "Batch",
    "Client",
    "Entry",
    "Fault",
    "Faults",
    "Foreign",
    "Latency",
    "LockTold",
    "Rule",
    "Sandbox",
    "Threshold",
    "World",
    "build",
    "load",
    "parse",
    "read_log",
]
