"""An effect as data: eleven learned numbers, their constants, and nothing that renders.

    effect            the `Effect` object, its JSON document, its file
    schema            the checks of a document; the published model; `EffectError`
    text_code         an effect as 116 or 180 characters
    locate            lookup by path, shipped name or text code
    gate              `c gate(c)` on plain numbers, its inverse, the knob's table
    morph             one effect between several
    shipped/          the effects that come with the package, a file each

Nothing here loads JAX (`tests/commands/test_start_up.py`). The document and the text
code are file formats: fields may be added with a new version, none may change meaning.
A shipped effect is added as a file. Rendering is `cak_jax.render`, in the room
`rendering`. Read on in `schema.py`.
"""
