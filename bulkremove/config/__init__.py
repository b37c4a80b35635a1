"""Settings: their values and defaults, their parsers, and loading them from file, environment and flags."""

from bulkremove.config.loading import load
from bulkremove.config.settings import OLD_PROTECTED_FILE, PROTECTED_FILE, Settings, protected_path

__all__ = ["OLD_PROTECTED_FILE", "PROTECTED_FILE", "Settings", "load", "protected_path"]
