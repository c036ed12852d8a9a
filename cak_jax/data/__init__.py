"""From a folder of sounds to batches of spectrograms.

    settings      `CorpusSettings`: how a folder becomes a corpus
    scan          the sound files of a folder, and their headers and hashes
    sound_zip     a zip of sounds, unpacked within limits
    clips         which stretches of the files become clips, and how they are cut
    clip_store    the prepared clips on disk, memory-mapped
    statistics, descriptors    normalisation constants and measures of every clip
    labels        a label for every clip: drawn, measured or read
    label_table   tables of labels, as people and programs write them
    manifest      the content of `corpus.json`
    corpus        all of the above in order: `load_corpus`
    pairs, batch  which clips meet, and the batch that they make
    synthetic/    a seeded corpus of synthetic sound

The split, the labels and the pairs are functions of a seed and of the files' contents,
whatever the files are called and on whatever machine. A run resumes only on a corpus of
the same SHA-256, so a change of one sample, label or setting ends every run that was
begun before. `tests/data` holds both. `pairs`, `batch` and `descriptors` are pure.
"""
