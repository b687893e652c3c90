"""Publications in one transaction: those that are alike together, the others one by one.

Runs at the writer's desk only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from qasino_server.errors import QasinoError, Refused
from qasino_server.store.alike import alike
from qasino_server.store.carrying import CarryFirst
from qasino_server.store.intake import Intake
from qasino_server.store.ledger import Pair
from qasino_server.store.names_taken import NamesTaken
from qasino_server.store.postponed import Outcome
from qasino_server.table import Publication

UPDATES_S = 0.01
"""After how long no second update is begun. Each reads all rows of its pair, however few it brings:
256 of them for one of 200,000 rows took 5 s and more, which a rotation waited for."""


class Stored(msgspec.Struct, frozen=True):
    """What came of a batch; publications by their place in it."""

    outcomes: dict[int, Outcome]
    postponed: list[int]
    """They have to wait for their rows to be carried."""
    left: list[int]
    """There was no time for them; in their order, after those that are postponed."""


def transact(intake: Intake, names: NamesTaken, publications: Sequence[Publication]) -> Stored:
    """Store them, one update at least, however long the others took.

    Raises apsw.Error where the disk fails them, having changed nothing.
    """
    ledger = intake.ledger
    try:
        with intake.generation.transaction:
            intake.begin()
            stored = _store_all(intake, names, publications)
    except BaseException:
        ledger.rollback()
        raise
    ledger.commit()
    return stored


def _store_all(intake: Intake, names: NamesTaken, publications: Sequence[Publication]) -> Stored:
    ends = time.monotonic() + UPDATES_S
    outcomes: dict[int, Outcome] = {}
    for group in alike(publications, intake.ledger, intake.schemas.adds):
        outcomes |= _store_alike(intake, names, group, [publications[place] for place in group])
    if len(outcomes) == len(publications):
        return Stored(outcomes, [], [])
    waits: set[Pair] = set()
    postponed: list[int] = []
    has_updated = False
    others = [place for place in range(len(publications)) if place not in outcomes]
    for nth, place in enumerate(others):
        publication = publications[place]
        if has_updated and publication.update and time.monotonic() > ends:
            return Stored(outcomes, postponed, others[nth:])
        outcome = None if publication.pair in waits else _store(intake, names, publication)
        if outcome is None:
            waits.add(publication.pair)
            postponed.append(place)
        else:
            outcomes[place] = outcome
            has_updated = has_updated or publication.update
    return Stored(outcomes, postponed, [])


def _store_alike(
    intake: Intake, names: NamesTaken, places: list[int], publications: list[Publication]
) -> dict[int, Outcome]:
    """The outcomes by place; none where they have to be stored one by one after all."""
    try:
        names.refuse(publications[0])
    except Refused:
        return {}
    receipts = intake.store_alike(publications)
    return {} if receipts is None else dict(zip(places, receipts, strict=True))


def _store(intake: Intake, names: NamesTaken, publication: Publication) -> Outcome | None:
    try:
        names.refuse(publication)
        return intake.store(publication)
    except CarryFirst:
        return None
    except QasinoError as error:
        return error.landed()
