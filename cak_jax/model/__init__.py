"""The method, pure: arrays in, arrays out, no files, nothing printed.

    cak                    the transform: detect, gate, apply. Everything else calls it
    arrays                 helpers of functions that take NumPy and JAX arrays
    spectral               short-time Fourier transform and normalisation
    spectrogram_settings   their settings and constants, without JAX
    generators/            one module each, listed in `generators/table.py`
    audits/                one module each, listed in `audits/table.py`
    critic, layers         the critic's realism branch, and layers that both players use
    strided_conv           the critic's convolution, with fast derivatives on CPU
    losses                 every term of the game, listed in `TERMS`, and the two sums
    train_state            the state of a run, its traced and its static settings
    train_step             one iteration of the game

An audit, a loss term or a generator is added as one function or module and one line in
its table; the docstrings of `audits`, `losses` and `generators` give the steps. What
the published system computes is held by `tests/model/test_published_parity.py` to 1e-5;
the other tests in `tests/model` hold closed forms, second implementations and
invariants. Names of parameters are a file format: checkpoints hold them.

Source: arXiv 2508.02643. Read on in `cak.py`, then `losses.py`.
"""
