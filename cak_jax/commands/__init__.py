"""Commands: what a person types; each module is one command or a part of one.

- `cli`: the console script `cak`, its list of commands, and what they share: parser,
  errors as lines and exit codes, checks of a file that a flag names for output.
- `train`: `cak train`, also `python -m cak_jax.main`.
- `apply`: `cak apply` and its report, with `apply_inputs` (which files are read),
  `apply_outputs` (which files are written), `apply_names` (their names), `output_flags`
  (their format) and `standard_streams` (the name `-`).
- `rate`: `cak rate`. `live`: `cak live`. `app`: `cak app`.
- `export_web`: `cak export-web`.
- `evaluate`: `cak evaluate`. `effect` and `effects`: the commands of these names.
- `render_flags`: the flags of `apply` and `live` for effect, knob and shape.

`cli.run_command` parses a command's arguments, calls its `run`, and turns errors into
lines and the exit codes of `runtime/errors.py`; `train` has flags of its own kind.
A function that refuses a flag, a file or an effect raises an `InputError` of one line:
its name, the fault and the remedy.
Messages are safe to change with their tests. Held by tests: --help and refused flags
load neither JAX nor anything as large (`test_start_up`); a refused request writes
nothing (`test_apply_refused`, `test_live_refused`); the keys of the JSON documents
(`test_apply_report`, `test_evaluate`). Read on: `README.md` of this room.
"""
