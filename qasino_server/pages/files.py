"""Stylesheet and scripts: read once, and told apart by what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_DIRECTORY = Path(__file__).with_name("assets")


class Asset(msgspec.Struct, frozen=True):
    """One file."""

    body: bytes
    media_type: str
    version: str
    """Changes with its content."""


def read_assets() -> dict[str, Asset]:
    """Name -> file, for everything in the directory."""
    return {path.name: _read(path) for path in _DIRECTORY.iterdir() if path.suffix in _MEDIA_TYPES}


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    version = hashlib.sha256(body).hexdigest()[:12]
    return Asset(body, _MEDIA_TYPES[path.suffix], version)
