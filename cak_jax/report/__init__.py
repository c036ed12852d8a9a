"""Pictures, pages and words for people.

    style             the look of every figure; PNG files
    kernel_figure     a kernel: weights, directions, response to ripples
    sound_figures     spectrograms and waveforms before and after an effect
    run_figures       one run: history, audit, labels, progress
    comparison_figures  several runs or effects side by side
    sweep_figures     a sweep: heat maps and curves
    html_page         the style, templates and security policy of every page
    run_page          `report.html` of a run or a sweep
    evaluation_text   an evaluation as tables and a sentence
    assets/           templates, styles and scripts of the pages

The text, layout and colours can be changed freely. Two things are held by tests
(`tests/report`): a page loads nothing and escapes every value from outside, and a
figure draws the numbers that it is given. A new file in `assets` needs no entry in
`setup.cfg`; `tests/test_package_data.py` checks that it is packed. Only this room
imports matplotlib and Jinja2. `html_page` and `run_page` import neither JAX nor
matplotlib.
"""
