"""`qasino csvagent`: publishes the CSV files of this machine in every generation.

Who writes the files knows nothing of us and writes them in every way there is. So files are
read when their writer is done with them, the last good table stays in force while one is
broken, and what is wrong with which file is itself a table (`qasino_agent_files`).

    command      the command line
    agent        the life of an agent: what happens when
    check        --check and --once
    catalogue    which files are followed, as indexes and directories name them now
    watching     hearing that something changed; polling where that is not to be had
    courier      messages to the server, how many at once, and its absence
    lanes        threads that each have one message under way
    slow_tables  what gets no answer though others do, and when it is tried again
    report       the agent's own tables
    journal      its log: what is other than last time
    table_file   one file that is published
    parcel       a file's bytes -> the message that is sent for it
    index_files  the ancestor's index files, index lists and table lists
    followed     one file and the question whether its writer is done
    landmarks    the places in the file system that decide what a path leads to
    pace         how long things are waited for
"""
