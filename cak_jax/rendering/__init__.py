"""Rendering: an effect applied to sound, in memory, file to file, traced and live.

- `settings`: choices and ranges, `RenderSettings`; nothing here loads JAX.
- `knob`: `Knob` (a value and its unit), curve, oscillator, follower; `Factors`, the
  factor on the pattern of each frame; `Aim`.
- `aim`: the amount at which one sound changes by as much as is asked.
- `residual`: what an effect adds, as pure functions on blocks of spectrum.
- `blocks`: sound of any length through `residual`, in bounded memory; a short one by
  NumPy, a longer one by JAX.
- `in_memory`: `cak_jax.render`, the public call. `traced`: the same as one JAX program.
- `file`: one sound file into another, in two passes.
- `stream`: block in, block out, with a fixed latency.
- `ceiling`: peaks held below -1 dBFS, in all of these.
- `loudness`: levels, and the gain that matches the input's loudness. `k_weighting`:
  filters and gates of ITU-R BS.1770; `weighted_power`: its filters in a program.
- `published`: what the published application does, for comparison.

A number on its way from `cak apply --control` to the product in `model/cak.py` passes
`commands/apply`, `commands/render_flags`, `knob`, `file`, `blocks` and `residual`.

What must hold: control 0 and mix 0 return the input bit for bit (`test_in_memory`,
`test_file`, `test_stream`); results do not depend on block sizes (`test_in_memory`,
`test_stream`); memory, traced program, file and stream agree (`test_traced`,
`test_file`, `test_stream`). Everything else is safe to change.
"""
