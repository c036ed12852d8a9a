"""Audits: how the game reads what a generator did. One module each.

- `protocol`: what the game and the evaluation need of an audit.
- `absolute`: the paper's, the mean of the detector's pattern of the output.
- `relative`: the change of the mean level as a share of the input's.
- `heard`: the change of a quality of the resynthesised sound.
- `request`: what an audit asks for at a control.
- `table`: all of them by name. Losses, evaluation, reports and sweeps iterate it.

To add one, write `NAME.py` with what `protocol.Audit` lists and add a line to
`table.py`. `tests/model/test_audits.py` runs over the table.
"""
