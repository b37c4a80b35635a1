"""What the rest of the program may ask of the storage: one protocol for each consumer, and the values they exchange.

Every method is one durable transaction, or a series of short ones where it says so; none stays open while its caller
does something else. A method that returns has its writes on disk. All of them raise JournalFailed when the storage
can't be read or written; nothing may be sent after that. Rules come in as pure values, so that a slot is taken by the
same transaction that looked at the ledger. tests/test_storage_contract.py holds what every implementation must pass.

``sqlite`` implements them on one file of one machine.
"""
