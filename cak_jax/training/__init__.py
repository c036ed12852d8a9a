"""One run: its configuration, the training loop, checkpoints, and the run folder.

- `config`, `config_checks`: a configuration file as checked settings; allowed values.
- `run`: the whole way from settings to a run folder; its epochs.
- `trainer`: the loop of one run; `steps`, `batch_plan`: the iterations and batches that
  it dispatches; `devices`: memory, meshes, compilation;
  `machine`: free memory, a cache of compiled programs.
- `hearing`, `taught`: the quality that a heard game asks for, or the ratings that teach
  it; `even_knob`: the knob that is fitted after the training.
- `resolution`: resolution and spacing, chosen by short trainings.
- `snapshot`: a run as plain data, and its effect with provenance.
- `checkpoint`, `metrics_log`, `run_folder`: what is kept, and the rules of the folder.
- `run_corpus`, `evaluation_clips`: the clips to train and to evaluate on.
- `run_evaluation`, `run_report`, `run_summary`, `last_words`: measures on held-out
  clips; figures and report; its words and tables; what the terminal says at the end.

Old run folders have to resume. So the tree of `TrainState`, the keys of `config.json`
and `metrics.jsonl`, and `config.FREE` and `config.LATER` are fixed
(`tests/training/test_checkpoint.py`, `tests/faults/test_changed.py`). A new field gets
a value in `configs/default.py`, a line in `config_checks`, and the value that keeps old
runs unchanged in `config.LATER`. Messages, reports and figures may change freely. Where
a step is not finite, where a run is killed and what is then left: `tests/faults/`.
"""
