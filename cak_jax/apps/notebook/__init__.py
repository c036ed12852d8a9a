"""What the cells of `colab/*.ipynb` call; the notebooks define nothing themselves.

- `files`: which sounds a notebook reads, and what it hands out. Nothing else imports
  `google.colab`.
- `show`: players, pictures, tables, and errors as one line. Nothing else imports
  IPython.
- `train`: a training that is shown, heard, stopped and resumed in a cell.
- `mirror`: archives of a run folder in a second folder, and how a run is restored.
- `paper`: the paper's figures and a sweep, at three sizes.
- `published_history.json`: the published training's numbers, epoch by epoch.

A public function is decorated with `show.short_errors`: a mistake raises a
`NotebookError` of one line with the remedy.
`tests/end_to_end/test_notebooks.py` checks the notebooks as they stand, and
`test_notebooks_run.py` executes them: a renamed function needs both.
"""
