# fish completion for qasino - made by python -m qasino_cli.reference; what is changed here is lost

function __qasino_names
    set -l program (string replace -r '^~/' $HOME/ -- (commandline -opc)[1])
    command $program __complete $argv[1] "" (commandline -p | string collect) 2>/dev/null
end

function __qasino_list
    set -l named (commandline -ct | string replace -r '^--[^=]*=' '' | string split ,)
    set -e named[-1]
    for word in $argv
        contains -- $word $named; or string join , -- $named $word
    end
end

complete -c qasino -f
complete -c qasino -n __fish_use_subcommand -s V -l version -d 'Show the version and exit.'
complete -c qasino -n __fish_use_subcommand -s h -l help -d 'Show the help and exit.'
complete -c qasino -n __fish_use_subcommand -a server -d 'Run a server; --demo shows this machine.'
complete -c qasino -n __fish_use_subcommand -a sql -d 'Ask a server in SQL.'
complete -c qasino -n __fish_use_subcommand -a publish -d 'Publish tables from files or a pipe.'
complete -c qasino -n __fish_use_subcommand -a watch -d 'Watch a query, live; or wait for it.'
complete -c qasino -n __fish_use_subcommand -a csvagent -d 'Publish CSV files in every generation.'
complete -c qasino -n __fish_use_subcommand -a keys -d 'Make CURVE keys for ZeroMQ.'
complete -c qasino -n '__fish_seen_subcommand_from server' -l listen -d 'The address to listen on; 0.0.0.0 opens the server to other hosts. [default: 127.0.0.1]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l http-port -d 'HTTP; 0 takes a free port, off opens none. [default: 15597]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l https-port -d 'HTTPS, likewise; opened where there is a certificate. [default: 443]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l zmq-port -d 'ZeroMQ requests, likewise. [default: 15598]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l pubsub-port -d 'The signal of each new generation, likewise. [default: 15596]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l line-port -d 'SQL by the line, likewise. [default: 15000]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -s g -l generation-duration -d 'How long tables are collected before they can be asked, whole seconds; 30, 30s, 5m. [default: 30; with --demo 5]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l identity -d 'The server\'s own name. [default: the host\'s name]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l db-dir -d 'Where generations live. [default: in /dev/shm where 1 GB is free, else the temporary directory]' -x -a '(__fish_complete_directories)'
complete -c qasino -n '__fish_seen_subcommand_from server' -l static-db -d 'The file of static tables. [default: ~/.local/state/qasino/static.db]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from server' -l archive-dir -d 'Keep each finished generation here as an SQLite file. [default: none is kept]' -x -a '(__fish_complete_directories)'
complete -c qasino -n '__fish_seen_subcommand_from server' -l archive-keep -d 'How many files to keep there; fewer where that is the disk of --db-dir and is short. [default: 120]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l no-prev -d 'Keep two generations instead of three: queries then have no schema prev, the snapshot before the last. (A large prev is compressed until a query asks for it.) [default: no]'
complete -c qasino -n '__fish_seen_subcommand_from server' -l views-file -d 'Views, in YAML; read again when it changes. [default: views.conf]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from server' -l query-timeout -d 'The most a query may take, its wait and the reading of a streamed answer included; 30, 30s, 5m. [default: 30]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l slow-query -d 'Log queries that take longer, likewise. [default: 1]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l max-rows -d 'The most rows in an answer. [default: 100000]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l max-result -d 'The largest answer; K, M and G are understood. [default: 64M]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l max-body -d 'The largest request, likewise. [default: 64M]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l max-generation-bytes -d 'The most a generation may take in --db-dir, and all static tables in their file; past it publications are refused. [default: a quarter of what is free there at the start, at least 16M, or a third where that is less]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l max-generation-rows -d 'Likewise, in rows. [default: 100000000]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l max-tables -d 'Likewise, in tables. [default: 20000]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l max-identities -d 'Likewise, in identities. [default: 200000]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l max-sources -d 'Likewise, in pairs of a table and an identity. [default: 1000000]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l max-memory -d 'The most memory SQLite may take for all that runs. [default: half of what there is]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l max-temp -d 'The most a query may write to temporary files. [default: 1G]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l ports-file -d 'Write the ports as JSON into FILE once all are open. [default: none]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from server' -l tls-cert -d 'The certificate of the HTTPS port and its chain, in PEM. [default: none]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from server' -l tls-key -d 'Its key, in PEM. [default: none]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from server' -l keys-dir -d 'A directory with server.crt and server.key, instead of the two. [default: none]' -x -a '(__fish_complete_directories)'
complete -c qasino -n '__fish_seen_subcommand_from server' -l htpasswd-file -d 'Users of the HTTPS port, as htpasswd -B writes them; read again when it changes. [default: none]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from server' -l users-file -d 'Users with roles, in YAML; every port asks for them. Read again when it changes. [default: none]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from server' -l curve-keys -d 'Have the ZeroMQ ports ask for CURVE keys: DIR has server.key_secret and, for each client, clients/NAME.key; qasino keys makes them. [default: none]' -x -a '(__fish_complete_directories)'
complete -c qasino -n '__fish_seen_subcommand_from server' -l require-auth -d 'Ask for users on plain HTTP too, and close the ports that cannot ask: the line port, and ZeroMQ without --curve-keys. [default: no; yes with --users-file]'
complete -c qasino -n '__fish_seen_subcommand_from server' -l allow-host -d 'Names a browser may use over plain HTTP for a loopback address beside localhost and this host\'s own, such as that of a proxy on this host. [default: none]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l forget-after -d 'How long a table nobody reports any more is listed as missing; 90, 90s, 5m, 12h. [default: 86400]' -x
complete -c qasino -n '__fish_seen_subcommand_from server' -l log-level -d 'How much to log: debug, info, warning, error. [default: info]' -x -a 'debug info warning error'
complete -c qasino -n '__fish_seen_subcommand_from server' -l config -d 'Options in YAML. [default: none]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from server' -l demo -d 'Also publish this machine\'s own tables, in generations of 5 s if -g says no other.'
complete -c qasino -n '__fish_seen_subcommand_from server' -s h -l help -d 'Show the help and exit.'
complete -c qasino -n '__fish_seen_subcommand_from sql' -s q -s c -l query -d 'A statement; may be repeated.' -x
complete -c qasino -n '__fish_seen_subcommand_from sql' -s f -l file -d 'A file of statements, run after those of -q; - is stdin.' -r -F
complete -c qasino -n '__fish_seen_subcommand_from sql' -l format -d 'One of table, text, csv, tsv, json, ndjson, markdown, vertical. [env: QASINO_FORMAT] [default: table on a terminal, else tsv]' -x -a 'table text csv tsv json ndjson markdown vertical'
complete -c qasino -n '__fish_seen_subcommand_from sql' -l keep-going -d 'Go on after a statement that failed.'
complete -c qasino -n '__fish_seen_subcommand_from sql' -l no-header -d 'csv and tsv without the line of names.'
complete -c qasino -n '__fish_seen_subcommand_from sql' -l null -d 'What NULL is in csv and tsv. [default: nothing in csv, \\N in tsv]' -x
complete -c qasino -n '__fish_seen_subcommand_from sql' -l fail-empty -d 'Exit with 5 where a query has no rows.'
complete -c qasino -n '__fish_seen_subcommand_from sql' -s s -l server -d 'zmq://host:15598, http://host:15597 or https://user@host; a bare host means zmq; or a name of config.yaml. [env: QASINO_SERVER] [default: zmq://localhost:15598]' -x -a '(__qasino_names servers)'
complete -c qasino -n '__fish_seen_subcommand_from sql' -s H -l hostname -d 'The server\'s host, instead of -s.' -x
complete -c qasino -n '__fish_seen_subcommand_from sql' -s p -l port -d 'The server\'s port. [default: 15598 zmq, 15597 http, 443 https]' -x
complete -c qasino -n '__fish_seen_subcommand_from sql' -s u -l username -d 'The user, over HTTP and HTTPS.' -x
complete -c qasino -n '__fish_seen_subcommand_from sql' -s w -l password -d 'The user\'s password, which others may see in ps; better --password-file, ~/.netrc or the prompt of a terminal. [env: QASINO_PASSWORD]' -x
complete -c qasino -n '__fish_seen_subcommand_from sql' -l password-file -d 'A file with the user\'s password.' -r -F
complete -c qasino -n '__fish_seen_subcommand_from sql' -l token-file -d 'A file with a token, instead of a user; the variable has the token itself. [env: QASINO_TOKEN]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from sql' -s z -l use-zmq -d 'Speak ZeroMQ, as by default.'
complete -c qasino -n '__fish_seen_subcommand_from sql' -l use-http -d 'Speak HTTP.'
complete -c qasino -n '__fish_seen_subcommand_from sql' -l use-https -d 'Speak HTTPS.'
complete -c qasino -n '__fish_seen_subcommand_from sql' -l pubsub-port -d 'Where the server publishes its signal. [default: where it says]' -x
complete -c qasino -n '__fish_seen_subcommand_from sql' -l ca-file -d 'Whose signature on an HTTPS server\'s certificate counts, in PEM, instead of the system\'s list. [env: QASINO_CA_FILE]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from sql' -s k -l skip-ssl-verify -d 'Take any certificate of an HTTPS server.'
complete -c qasino -n '__fish_seen_subcommand_from sql' -l curve-key -d 'Your secret CURVE key, for a ZeroMQ server that asks for keys; qasino keys makes one. [env: QASINO_CURVE_KEY]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from sql' -l curve-server-key -d 'That server\'s public key, or a file with it. [env: QASINO_CURVE_SERVER_KEY]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from sql' -l timeout -d 'Give up a request after so many seconds; 30, 30s, 5m. [default: 35]' -x
complete -c qasino -n '__fish_seen_subcommand_from sql' -s h -l help -d 'Show the help and exit.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -s I -l identity -d 'Who reports. [env: QASINO_IDENTITY] [default: the input\'s, else the host\'s name]' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -l table -d 'Publish under this table name.' -x -a '(__qasino_names tables)'
complete -c qasino -n '__fish_seen_subcommand_from publish' -s d -l data-format -d 'One of qasino-csv, csv, tsv, json, ndjson, openmetrics, columns. [default: told by the content]' -x -a 'qasino-csv csv tsv json ndjson openmetrics columns'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l types -d 'text, integer or real; several with commas.' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -l strict-names -d 'Refuse headers that are no legal names.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l skip-lines -d 'Pass over so many lines above the header. [default: 0]' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -l header -d 'Names of the columns, where no line has them.' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -l on-error -d 'Whether a bad row ends it, or is passed over. [default: abort]' -x -a 'abort skip'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l rejects -d 'Write rows passed over to FILE, CSV or .ndjson.' -r -F
complete -c qasino -n '__fish_seen_subcommand_from publish' -l add-identity-column -d 'Add a column `identity` to each row.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -s P -l persist -d 'Carry the rows into each next generation.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -s S -l static -d 'Keep the table on the server\'s disk: visible at once, and until it is dropped.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l ttl -d 'Carry the rows for so long, at most 366d; 90, 90s, 5m.' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -l update -d 'Change the rows that --keycols find, add the others.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l keycols -d 'Columns for --update. [default: all]' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -l replace -l no-replace -d 'Whether a repeat in one generation replaces the rows. [default: replace]'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l every -d 'Read and publish again; 30, 30s, 5m.' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -l every-generation -d 'Read and publish again in each generation.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l run -d 'Publish what a shell command prints.' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -l this-host -d 'Publish this machine\'s own tables.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l only -d 'Of them: processes, mounts, interfaces, sockets, load, users. [default: all]' -x -a '(__qasino_list processes mounts interfaces sockets load users)'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l with-args -d 'Processes with their arguments, which may be secret.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l dry-run -d 'Show what would be published and why; send nothing.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l quiet -d 'Say nothing unless it fails.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l drop -d 'End a static or persistent table instead.' -x -a '(__qasino_names tables)'
complete -c qasino -n '__fish_seen_subcommand_from publish' -s s -l server -d 'zmq://host:15598, http://host:15597 or https://user@host; a bare host means zmq; or a name of config.yaml. [env: QASINO_SERVER] [default: zmq://localhost:15598]' -x -a '(__qasino_names servers)'
complete -c qasino -n '__fish_seen_subcommand_from publish' -s H -l hostname -d 'The server\'s host, instead of -s.' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -s p -l port -d 'The server\'s port. [default: 15598 zmq, 15597 http, 443 https]' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -s u -l username -d 'The user, over HTTP and HTTPS.' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -s w -l password -d 'The user\'s password, which others may see in ps; better --password-file, ~/.netrc or the prompt of a terminal. [env: QASINO_PASSWORD]' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -l password-file -d 'A file with the user\'s password.' -r -F
complete -c qasino -n '__fish_seen_subcommand_from publish' -l token-file -d 'A file with a token, instead of a user; the variable has the token itself. [env: QASINO_TOKEN]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from publish' -s z -l use-zmq -d 'Speak ZeroMQ, as by default.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l use-http -d 'Speak HTTP.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l use-https -d 'Speak HTTPS.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l pubsub-port -d 'Where the server publishes its signal. [default: where it says]' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -l ca-file -d 'Whose signature on an HTTPS server\'s certificate counts, in PEM, instead of the system\'s list. [env: QASINO_CA_FILE]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from publish' -s k -l skip-ssl-verify -d 'Take any certificate of an HTTPS server.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -l curve-key -d 'Your secret CURVE key, for a ZeroMQ server that asks for keys; qasino keys makes one. [env: QASINO_CURVE_KEY]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from publish' -l curve-server-key -d 'That server\'s public key, or a file with it. [env: QASINO_CURVE_SERVER_KEY]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from publish' -l timeout -d 'Give up a request after so many seconds; 30, 30s, 5m. [default: 35]' -x
complete -c qasino -n '__fish_seen_subcommand_from publish' -s h -l help -d 'Show the help and exit.'
complete -c qasino -n '__fish_seen_subcommand_from publish' -F
complete -c qasino -n '__fish_seen_subcommand_from watch' -l key -d 'Columns that tell rows apart. [default: found by looking]' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -l interval -d 'Ask so often (30, 30s, 5m), and show rows that differ. [default: once a generation]' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -l batch -d 'Write a frame a generation, as without a terminal.'
complete -c qasino -n '__fish_seen_subcommand_from watch' -l format -d 'Of these frames. [default: tsv]' -x -a 'tsv ndjson'
complete -c qasino -n '__fish_seen_subcommand_from watch' -l count -d 'End after so many frames of rows.' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -l once -d 'One frame, as --batch --count 1.'
complete -c qasino -n '__fish_seen_subcommand_from watch' -l until -d 'End once it holds: rows, empty or SQL.' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -l while -d 'End once it no longer holds, likewise.' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -l for -d 'For so many generations in a row. [default: 1]' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -l timeout -d 'Give up waiting for it after so long, such as 90, 90s or 5m; exit with 5, with 3 where no answer came.' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -l ignore-missing -d 'Believe rows though sources of a table are missing.'
complete -c qasino -n '__fish_seen_subcommand_from watch' -l on-change -d 'Run it at changes since the first result, NDJSON on its stdin; its stdout is dropped. Rows are told to be gone only once that is known.' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -l quiet -d 'In batch, write no frames.'
complete -c qasino -n '__fish_seen_subcommand_from watch' -s s -l server -d 'zmq://host:15598, http://host:15597 or https://user@host; a bare host means zmq; or a name of config.yaml. [env: QASINO_SERVER] [default: zmq://localhost:15598]' -x -a '(__qasino_names servers)'
complete -c qasino -n '__fish_seen_subcommand_from watch' -s H -l hostname -d 'The server\'s host, instead of -s.' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -s p -l port -d 'The server\'s port. [default: 15598 zmq, 15597 http, 443 https]' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -s u -l username -d 'The user, over HTTP and HTTPS.' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -s w -l password -d 'The user\'s password, which others may see in ps; better --password-file, ~/.netrc or the prompt of a terminal. [env: QASINO_PASSWORD]' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -l password-file -d 'A file with the user\'s password.' -r -F
complete -c qasino -n '__fish_seen_subcommand_from watch' -l token-file -d 'A file with a token, instead of a user; the variable has the token itself. [env: QASINO_TOKEN]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from watch' -s z -l use-zmq -d 'Speak ZeroMQ, as by default.'
complete -c qasino -n '__fish_seen_subcommand_from watch' -l use-http -d 'Speak HTTP.'
complete -c qasino -n '__fish_seen_subcommand_from watch' -l use-https -d 'Speak HTTPS.'
complete -c qasino -n '__fish_seen_subcommand_from watch' -l pubsub-port -d 'Where the server publishes its signal. [default: where it says]' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -l ca-file -d 'Whose signature on an HTTPS server\'s certificate counts, in PEM, instead of the system\'s list. [env: QASINO_CA_FILE]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from watch' -s k -l skip-ssl-verify -d 'Take any certificate of an HTTPS server.'
complete -c qasino -n '__fish_seen_subcommand_from watch' -l curve-key -d 'Your secret CURVE key, for a ZeroMQ server that asks for keys; qasino keys makes one. [env: QASINO_CURVE_KEY]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from watch' -l curve-server-key -d 'That server\'s public key, or a file with it. [env: QASINO_CURVE_SERVER_KEY]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from watch' -l request-timeout -d 'Give up a request after so many seconds; 30, 30s, 5m. [default: 35]' -x
complete -c qasino -n '__fish_seen_subcommand_from watch' -s h -l help -d 'Show the help and exit.'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s i -l index -l index-file -d 'An index: version 1, then FILE,TABLE or TABLE a line. Repeatable.' -r -F
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s f -l index-list -d 'A file that names indexes, one a line, relative to its own folder.' -r -F
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l directory -d 'Publish every *.csv in it. Repeatable.' -x -a '(__fish_complete_directories)'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s T -l table -d 'Publish this table only. Repeatable.' -x -a '(__qasino_names tables)'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s t -l table-list -d 'A file that names those tables, one a line.' -r -F
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s I -l identity -d 'Who reports, but for files that name one. [env: QASINO_IDENTITY] [default: the host\'s name]' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s x -l interval -d 'Send every so many seconds; 30, 30s, 5m. [default: at the server\'s signal]' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s d -l send-delay-max -d 'Send at random up to so long after the signal, at most half a generation. [default: 15]' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s g -l gen-signal-timeout -d 'Connect to the signal anew after so long without one. [default: 120]' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l max-age -d 'Do not send files last written longer ago; 90, 90s, 5m.' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l add-identity-column -d 'Add a column identity to tables that have none.'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l poll -d 'Look for changes every second; do not use events.'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l check -d 'Read everything, say what is wrong, send nothing.'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l once -d 'Send everything one time and end.'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l log-level -d 'One of debug, info, warning, error. [default: info]' -x -a 'debug info warning error'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s s -l server -d 'zmq://host:15598, http://host:15597 or https://user@host; a bare host means zmq; or a name of config.yaml. [env: QASINO_SERVER] [default: zmq://localhost:15598]' -x -a '(__qasino_names servers)'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s H -l hostname -d 'The server\'s host, instead of -s.' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s p -l port -d 'The server\'s port. [default: 15598 zmq, 15597 http, 443 https]' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s u -l username -d 'The user, over HTTP and HTTPS.' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s w -l password -d 'The user\'s password, which others may see in ps; better --password-file, ~/.netrc or the prompt of a terminal. [env: QASINO_PASSWORD]' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l password-file -d 'A file with the user\'s password.' -r -F
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l token-file -d 'A file with a token, instead of a user; the variable has the token itself. [env: QASINO_TOKEN]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s z -l use-zmq -d 'Speak ZeroMQ, as by default.'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l use-http -d 'Speak HTTP.'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l use-https -d 'Speak HTTPS.'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l pubsub-port -d 'Where the server publishes its signal. [default: where it says]' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l ca-file -d 'Whose signature on an HTTPS server\'s certificate counts, in PEM, instead of the system\'s list. [env: QASINO_CA_FILE]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s k -l skip-ssl-verify -d 'Take any certificate of an HTTPS server.'
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l curve-key -d 'Your secret CURVE key, for a ZeroMQ server that asks for keys; qasino keys makes one. [env: QASINO_CURVE_KEY]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l curve-server-key -d 'That server\'s public key, or a file with it. [env: QASINO_CURVE_SERVER_KEY]' -r -F
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -l timeout -d 'Give up a request after so many seconds; 30, 30s, 5m. [default: 35]' -x
complete -c qasino -n '__fish_seen_subcommand_from csvagent' -s h -l help -d 'Show the help and exit.'
complete -c qasino -n '__fish_seen_subcommand_from keys' -s h -l help -d 'Show the help and exit.'
complete -c qasino -n '__fish_seen_subcommand_from keys' -F
