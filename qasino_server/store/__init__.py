"""publish / query / rotate / tables: the one thing every port talks to.

    descriptions  what a table's columns mean
    ledger        the books of the open generation
    shapes        the different sets of columns that were sent for a table
    room_left     how much more the open generation takes
    schemas       how its tables grow
    carrying      rows that live on, from the generation before
    intake        one publication by the rules
    alike         which publications of a batch can be stored together
    postponed     publications that wait for rows to be carried
    names_taken   names that a publication may not have, and the static tables
    batch         publications in one transaction
    arrivals      what waits to be stored, and how much of it
    faults        what they are told that cannot be written
    writer        the thread that writes
    lookout       takes a look into the open generation
    looks         those that wait, in turns by who asked
    job           a query on its way
    reader        one thread that answers
    crew          the readers there are, and those that were given up
    roster        the queries that are not answered yet, and where they wait
    readers       which query is answered when, and by which reader
    warden        looks at the clock for them
    spill         how much a query has written to temporary files
    at_once       queries answered by the thread that received them
    memo          answers that were given already
    offhand       answers that no reader gives
    internal      what a generation says about itself
    absence       who is missing
    tally         what is counted, and what the last generations had of it
    archive       retired snapshots
    files         the files of the generations, from their making to their removal
    store         the whole, and rotation

This is the seam: another engine is another `Store`. What is named here is all that rooms outside
know of it.
"""

from qasino_server.store.job import Form, QueryRequest, Sink
from qasino_server.store.store import State, Store, StoreSettings
from qasino_server.store.tally import Point

__all__ = ["Form", "Point", "QueryRequest", "Sink", "State", "Store", "StoreSettings"]
