"""The version of this program, which pyproject.toml has too; here for what must not import the whole package."""

__version__ = "0.1.0"
