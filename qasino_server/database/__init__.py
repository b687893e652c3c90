"""The only room that knows SQLite.

    directory    where generations live on disk, and who clears up after a killed server
    sandbox      what a query may do: the authorizer, limits, switches
    generation   the writable generation being collected
    snapshot     a sealed generation, read-only: the connections queries run on
    built        the statement that makes JSON of another one's rows, and what comes of it
    widths       the widest cell of each column of such a JSON
    examine      what a statement is, before it runs, or why it may not
    answer       one query on one connection -> a Result or a stream of rows
    lines        streams: many rows as lines of text
    durable      the static tables' own file

Everything above speaks of tables, columns, rows and ranges, never of SQL, except for the
statement a person typed.
"""
