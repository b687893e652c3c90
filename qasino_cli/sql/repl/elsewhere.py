"""What those who know psql and the sqlite3 shell type, and what does it here."""

from __future__ import annotations

ELSEWHERE = {
    "\\a": "\\format chooses how results look",
    "\\c": "a prompt asks one server; qasino sql -s NAME asks another",
    "\\connect": "a prompt asks one server; qasino sql -s NAME asks another",
    "\\copy": "\\format csv and \\g FILE send rows to a file, qasino publish FILE brings them in",
    "\\df": "select distinct name from pragma_function_list lists the functions",
    "\\dn": "there is main, and prev, which is the snapshot before",
    "\\du": "SHOW connections lists who reports",
    "\\h": "\\? lists the commands; the language is SQLite's, https://sqlite.org/lang.html",
    "\\l": "a server has one database; \\d lists its tables",
    "\\s": "Ctrl-R searches the history",
    "\\set": "there are no variables",
    ".exit": "\\q leaves",
    ".headers": "\\t switches the line of names",
    ".help": "\\? lists the commands",
    ".mode": "\\format chooses how results look",
    ".output": "\\o sends results to a file",
    ".quit": "\\q leaves",
    ".read": "\\i runs a file",
    ".schema": "\\d TABLE shows the columns",
    ".tables": "\\dt lists the tables",
}
