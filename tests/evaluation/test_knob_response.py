"""The calibrated knob on the command line, and run folders given as effects."""

import numpy as np
import pytest
from support.applying import EFFECT, effect_file, load
from support.sounds import noise, put

from cak_jax.commands import apply
from cak_jax.effect.gate import calibrate


@pytest.fixture
def source(tmp_path):
    return put(tmp_path, "in.wav", noise(4000, 1, seed=1) * 0.3, 8000, subtype="FLOAT")


def test_amount_is_control_with_the_gate_inverted(tmp_path, source):
    effect = effect_file(tmp_path)
    control = calibrate(EFFECT, 0.4)
    assert apply.main([f"--effect={effect}", "--amount=0.4", str(source)]) == 0
    turned = ["--control", repr(control), "--output", str(tmp_path / "raw.wav")]
    assert apply.main([f"--effect={effect}", *turned, str(source)]) == 0
    ours, _ = load(tmp_path / "in__small_a040.wav")
    np.testing.assert_array_equal(ours, load(tmp_path / "raw.wav")[0])
    assert not np.array_equal(ours, load(source)[0])


def test_amount_zero_is_the_input(tmp_path, source):
    effect = effect_file(tmp_path)
    assert apply.main([f"--effect={effect}", "--amount=0", str(source)]) == 0
    output = tmp_path / "in__small_a000.wav"
    np.testing.assert_array_equal(load(output)[0], load(source)[0])


@pytest.mark.parametrize("amount", ["nan", "-1", "inf", "1e9"])
def test_an_amount_that_cannot_be_is_refused(tmp_path, source, amount, capsys):
    effect = effect_file(tmp_path)
    assert apply.main([f"--effect={effect}", f"--amount={amount}", str(source)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")


def test_amount_and_control_exclude_each_other(tmp_path, source):
    both = ["--amount=0.5", "--control=0.5", str(source)]
    with pytest.raises(SystemExit) as caught:
        apply.main([f"--effect={effect_file(tmp_path)}", *both])
    assert caught.value.code == 2


def test_a_run_folder_stands_for_its_effect(tmp_path, source):
    folder = effect_file(tmp_path).removesuffix("/effect.json")
    assert apply.main([f"--effect={folder}", "--control=0", str(source)]) == 0
    output = tmp_path / "in__small_c000.wav"
    np.testing.assert_array_equal(load(output)[0], load(source)[0])
