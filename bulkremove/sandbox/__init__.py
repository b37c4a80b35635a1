"""A local server that imitates Zoho People, for sandbox runs, tests and benchmarks.

Follows Zoho's documentation, fails on demand, and logs every request with its effect, so that a report can be compared
with what really happened. Shares no code with the product's HTTP client, and never listens beyond loopback.
"""

from bulkremove.sandbox.employees import Employee
from bulkremove.sandbox.faults import Fault, Faults, Latency
from bulkremove.sandbox.log import LoggedRequest, read_log
from bulkremove.sandbox.replies import LockResponse
from bulkremove.sandbox.server import Sandbox, build_sandbox
from bulkremove.sandbox.threshold import CountingRule, ForeignCalls, Threshold
from bulkremove.sandbox.world import Batch, Client, World
from bulkremove.sandbox.world_file import load_world, parse_world

__all__ = [
    "Batch",
    "Client",
    "CountingRule",
    "Employee",
    "Fault",
    "Faults",
    "ForeignCalls",
    "Latency",
    "LockResponse",
    "LoggedRequest",
    "Sandbox",
    "Threshold",
    "World",
    "build_sandbox",
    "load_world",
    "parse_world",
    "read_log",
]
