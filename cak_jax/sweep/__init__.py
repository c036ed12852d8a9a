"""Many runs: a sweep over fields of the configuration, trained as few programs.

- `grid`: which runs a sweep has, each checked as a single run; groups of equal shapes.
- `run_sweep`: the whole way from a configuration to the sweep's folder.
- `group`: runs of equal shapes with their corpora and their one program.
- `train_together`: a wave of runs in step, with their plans and metrics.
- `run_axis`: the compiled program over a leading run axis; how many runs at once.
- `distribute`, `crew`: which worker of a cluster makes which runs; `worker`: what it
  does; `cluster`: the connection, on Dask. `MACHINES.md` has the commands.
- `results`: a folder and a row for every run, and the table of all rows.
- `report`, `effect_map`: table, figures, report and map for people.

A run of a sweep learns what a single run with its values learns
(`tests/sweep/test_run_sweep.py`), alone, beside others, on several devices and on
workers (`test_run_axis.py`, `test_sweep_devices.py`, `tests/faults/test_cluster.py`).
A resumed sweep finds its finished runs by `PlannedRun.key`, so a change of the key
trains them again. Names in `run.json` and in the table are read by experiments and
notebooks. To sweep a new field, add it to `configs/default.py`; nothing here changes.
`configs/sweep.py` shows how a sweep is written.
"""
