"""The embedded corpus: seeded synthetic sound, for training without any data.

    corpus           `synthesise`, and the dynamics and level of a clip
    instruments      the eight families of sound
    building_blocks  pitches, onsets, damped modes, noise, plucked strings

NumPy only, no files. A clip is a function of the seed and its number. Runs resume on
the same samples, so a change of the sound ends the runs that were begun before.
"""
