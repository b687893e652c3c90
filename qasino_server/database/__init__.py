"""The only room that knows SQLite.

    sqltext          names of tables, columns and files as SQL wants them
    transaction      all of it is written, or nothing
    directory        where generations live on disk, and who clears up after a killed server
    room             how much room there is, on disk and in memory
    heap             SQLite's memory: its bound, and what each connection has from the start
    sandbox          what a query may do: the authorizer, limits, switches
    compounds        whether a statement has a UNION that may not stand in another one
    parameters       a statement's compared values -> parameters, where they may be some
    ranges           where rows are: ranges of rowids
    cells            a publication's rows as values that are bound
    rows             a publication's rows, checked and put into a table
    upsert           rows merged into a table by key columns
    generation       the writable generation being collected
    generation_file  a generation's file as those see it who read it: plain, or compressed
    snapshot         a sealed generation, read-only: the connections queries run on
    built            the statement that makes JSON of another one's rows, and what comes of it
    widths           the widest cell of each column of such a JSON
    words            SQLite's errors in our words
    examine          what a statement is, before it runs, or why it may not
    answer           one query on one connection -> a Result or a stream of rows
    lines            streams: many rows as lines of text
    durable          the static tables' own file
    viewsql          CREATE VIEW as a person wrote it -> what a TEMP view is made of

Everything above speaks of tables, columns, rows and ranges. Of SQL it knows the statements that
are asked and what the server's own tables are made with (`store/internal`), of SQLite its errors.
"""
