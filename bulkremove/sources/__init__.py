"""Where files of removals come from: one module for each kind of source, behind one interface."""

from bulkremove.sources.interface import Source, SourceFile
from bulkremove.sources.kinds import source_of

__all__ = ["Source", "SourceFile", "source_of"]
