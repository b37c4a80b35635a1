"""The Python API: the use cases of ``bulkremove.app`` for other programs; ``bulkremove`` exports its names lazily.

docs/api.md describes it. What is not named in ``bulkremove.__all__`` may change with any version.
"""
