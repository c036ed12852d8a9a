"""What every command needs of the machine; nothing here knows of sound or of JAX.

    errors      `UserError` and its two kinds, and the exit codes
    console     standard streams, `say`, `complain`, the end of the process
    progress    progress bars on a terminal
    signals     Ctrl-C, SIGTERM and SIGHUP: stop at a good moment, or at once
    files       files written completely or not at all
    json_file   JSON documents: numbers, hashes, files
    local_http  servers of pages: who may call them, and free addresses
    text        text for a terminal: printable, in columns

The lowest room: it imports from no other one. The exit codes and the stop at a signal
are promises to scripts; `tests/runtime`, `tests/faults` and `tests/commands` hold them.
`tests/commands/test_start_up.py` checks that nothing here loads a heavy library.
"""
