"""What a table's columns mean, in words: given with publications, or carried with their rows."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from qasino_server.table import Columns, Publication

_Words = tuple[tuple[str, str], ...]
"""(column key, sentence); the first one counts."""


class Descriptions(msgspec.Struct, frozen=True):
    """Those of one table in one generation."""

    given: _Words = ()
    carried: _Words = ()
    """Given in a generation before; they count where none is given in this one."""

    @property
    def of_columns(self) -> dict[str, str]:
        """The sentences by column key."""
        return dict(self.carried) | dict(self.given)

    @property
    def size_bytes(self) -> int:
        """How much room they take, near enough."""
        return sum(len(text) for _, text in self.given + self.carried)

    def give(self, publication: Publication) -> Descriptions:
        """With those of a publication; itself where that has nothing new."""
        if not publication.descriptions:
            return self
        keys = [column.key for column in publication.columns]
        given = _added(self.given, zip(keys, publication.descriptions, strict=True))
        return self if given is self.given else msgspec.structs.replace(self, given=given)

    def carry(self, before: Descriptions, columns: Columns) -> Descriptions:
        """With those that these columns had before; itself where that has nothing new."""
        words = before.of_columns
        if not words:
            return self
        carried = _added(self.carried, ((c.key, words.get(c.key, "")) for c in columns))
        return self if carried is self.carried else msgspec.structs.replace(self, carried=carried)


def _added(known: _Words, more: Iterable[tuple[str, str]]) -> _Words:
    taken = {key for key, _ in known}
    new = tuple((key, text) for key, text in more if text and key not in taken)
    return known + new if new else known
