"""Sources of files of removals: one interface, and one module for each kind of source."""

from bulkremove.sources.interface import Source, SourceFile
from bulkremove.sources.kinds import source_of

__all__ = ["Source", "SourceFile", "source_of"]
