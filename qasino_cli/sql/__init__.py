"""`qasino sql`: statements to a server, answers to stdout."""
