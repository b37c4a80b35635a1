"""Settings: their values and defaults, their parsers, and loading them from file, environment and flags."""

from bulkremove.config.loading import load
from bulkremove.config.nights import DEFAULT_NIGHT, Night, night_folders
from bulkremove.config.settings import OLD_PROTECTED_FILE, PROTECTED_FILE, Settings, protected_path

__all__ = [
    "DEFAULT_NIGHT",
    "OLD_PROTECTED_FILE",
    "PROTECTED_FILE",
    "Night",
    "Settings",
    "load",
    "night_folders",
    "protected_path",
]
