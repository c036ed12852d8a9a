"""Which bytes of a file are sound: found before a decoder sees the file.

    source    read-only access to bytes, and stretches of them that look like one file
    kinds     what a file is, by its first bytes and behind tags and padding
    find      the streams of a file, one after the other, and what is odd about them
    mpeg      frames of MP3
    ogg       pages of OGG
    sizes     sizes that WAV, AIFF, AU, CAF and W64 declare

Files come cut short, joined end to end, with a length of zero, with tags and bytes that
do not belong there. Decoders stop at the first such thing, often without an error. So
each stream is given to the decoder as a clean file of its own. Nothing here decodes,
every read is bounded, and no declared size is believed.
"""
