"""The Qasino command line: run a server, publish tables, ask SQL."""

__version__ = "0.1.0"
"""The version of the package, also in pyproject.toml (a test compares them)."""
