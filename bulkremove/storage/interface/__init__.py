"""The interface of the storage: one protocol for each consumer, and the values that they exchange.

Every method is one durable transaction, or a series of short ones where its docstring says so; no transaction stays
open between calls. When a method returns, its writes are on disk. All methods raise JournalFailed when the storage
can't be read or written; nothing may be sent after that. Rules are passed in as pure objects, so that the transaction
that reads the ledger also takes the slot. tests/test_storage_contract.py is the test suite for every implementation.

``sqlite`` implements the interface on one file of one machine.
"""
