"""Settings: what they are, how they are written, and where they are read from."""

from bulkremove.config.loading import load
from bulkremove.config.settings import OLD_PROTECTED_FILE, PROTECTED_FILE, Settings, protected_path

__all__ = ["OLD_PROTECTED_FILE", "PROTECTED_FILE", "Settings", "load", "protected_path"]
