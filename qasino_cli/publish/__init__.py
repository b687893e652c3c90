"""`qasino publish`: tables of any form, to a server, once or again and again."""
