"""Which publications of a batch are alike, so that their rows can be stored together.

A fleet sends one table from many identities, ten rows at a time: what a statement costs beside
its rows is most of the work then. Alike are publications of one table with the same columns,
each from an identity that has sent nothing for it yet; for those no rules but the merging of
their one header, and who described its columns first, have anything to say, and they get the same
receipt but for the number of rows.

A group is stored before the others of its batch. Where its header adds columns to the table, or
makes it, that is another order of columns, and other types, if one of the others came before it;
where it has descriptions, they would come before that one's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qasino_server.store.ledger import Ledger
from qasino_server.table import Publication

ALIKE_MIN = 3
"""Two cost as much together as one by one."""
ALIKE_BYTES = 16_384
"""Larger ones cost as much together as one by one, too: it is their rows that cost."""


def alike(
    publications: Sequence[Publication], ledger: Ledger, adds: Callable[[Publication], bool]
) -> list[list[int]]:
    """The groups that are alike, as places among the publications; the others are in none.

    Of a pair that is sent twice only the first is in a group, if nothing else came before it.
    `adds` tells whether a publication may add columns to its table. The ledger has nothing staged.
    """
    groups: dict[object, list[int]] = {}
    for place in _first_of_new_pairs(publications, ledger):
        publication = publications[place]
        if (
            not publication.update
            and publication.note is None
            and len(publication.rows_json) <= ALIKE_BYTES
        ):
            groups.setdefault((publication.tablename, publication.columns), []).append(place)
    return [
        group
        for group in groups.values()
        if len(group) >= ALIKE_MIN
        and not (_minds(publications, group, adds) and _has_others_before(publications, group))
    ]


def _minds(
    publications: Sequence[Publication], group: Sequence[int], adds: Callable[[Publication], bool]
) -> bool:
    """Whether it makes a difference what came before the group."""
    if adds(publications[group[0]]):
        return True
    return any([publications[place].descriptions for place in group])


def _has_others_before(publications: Sequence[Publication], group: Sequence[int]) -> bool:
    """Whether some for the same table came before one of the group and are not in it."""
    key, within = publications[group[0]].table_key, set(group)
    return any(
        publications[place].table_key == key for place in range(group[-1]) if place not in within
    )


def _first_of_new_pairs(publications: Sequence[Publication], ledger: Ledger) -> list[int]:
    """The places, in order. All at once, since asking for each pair took half of this."""
    backwards = range(len(publications) - 1, -1, -1)
    first = {publications[place].pair: place for place in backwards}
    for pair in ledger.known_among(first.keys()):
        del first[pair]
    return sorted(first.values())
