"""Measures of what an effect does to sound.

    agreement           requested against measured values: slope, R2, mean error
    audit               an effect's knob by the audit of its detector
    generator_audit     the same for a generator that has no effect file
    independent_auditor the requested value read by a model that is not the detector
    knob_response       distance to dry and features over the whole turn of the knob
    change              level, spectrum and bands at four turns of the knob
    spectral_distance   distances between spectrograms
    kernel_profile      the numbers of a kernel: sums, directions, response
    convergence         whether the result of a run can be trusted
    evaluate            all of it as one document, `evaluation.json`

The modules are pure: they read no files and print nothing (`tests/test_imports.py`).
The names in the documents are a file format that reports, tables and users read; a
measure can be added, but none renamed. `tests/evaluation` holds the measures against
closed forms and second implementations. `report.evaluation_text` makes tables of them.
"""
