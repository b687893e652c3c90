"""The Qasino server: collect tables, merge them, answer SQL about the present."""
