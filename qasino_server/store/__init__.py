"""publish / query / rotate / tables: the one thing every port talks to.

    ledger      the books of the open generation
    intake      one publication by the rules
    writer      the thread that writes
    job         a query on its way
    readers     the threads that answer
    internal    what a generation says about itself
    absence     who is missing
    store       the whole, and rotation

This is the seam: another engine is another `Store`.
"""

from qasino_server.store.store import Store, StoreSettings

__all__ = ["Store", "StoreSettings"]
