"""`qasino watch`: a query again at every generation, on a screen or as a stream, and what follows
from its rows."""
