"""The operating system: private files and the clock."""
