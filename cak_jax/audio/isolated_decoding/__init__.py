"""Decoding sound files in processes of their own, with limits.

    pool       the processes of a block of code; `guarded` and `current`
    client     this side of one process: requests, answers, limits
    process    the other side; imports soundfile only
    protocol   the messages between both
    decoder    one open file, decoded with libsndfile in either process

A hostile file may crash its decoder, hang it or take all memory; `tests/faults` tries
such files. No answer of a process is believed, and nothing is ever unpickled.
"""
