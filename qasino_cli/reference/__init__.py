"""Completions for shells and man pages, made from the command tree.

`python -m qasino_cli.reference` writes them; with `--check` it compares.
"""
