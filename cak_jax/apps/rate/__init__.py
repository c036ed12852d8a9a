"""The page of `cak rate`: a person rates the sounds of a folder.

- `order`: in which order the files come, and which one is next.
- `pairs`: which two files are compared next, and ratings that fit the comparisons.
- `table`: the CSV files, read and written so that nothing is lost.
- `raters`: what the page asks, one file or two at a time; the answers are written.
- `stretch`: the part of a file that is played, at the loudness of the others.
- `server`: the page's routes. `assets/`: its HTML, CSS and JavaScript.

`order` and `pairs` are pure. The names in the table are those that `data/labels.py`
looks for; `tests/apps/rate/test_chain.py` holds it. Nothing here needs JAX.
"""
