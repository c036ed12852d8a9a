"""Sound files in and out, with everything that they hold beside the samples.

    sound_file    read, write and resample; the other rooms use this one
    formats       headers, first bytes, sample types, rounding and dither
    truncation    whether a file was cut short
    metadata      tags, cue points, pictures: carried from one file to another
    riff_chunks, flac_blocks    the two layouts that metadata has
    streams/      which bytes of a file are sound
    isolated_decoding/    decoding in a process of its own, with limits

Files may be damaged or made to harm. Nothing that a header declares is believed, every
read is bounded, and a file that crashes its decoder costs that file alone. Keep it so:
`tests/faults` feeds hostile files. A sound that is read and written unchanged stays
bit-exact, with its metadata: `tests/audio` holds that for every format.
"""
