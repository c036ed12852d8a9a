"""Signals that are noted until somebody looks, and those that raise."""

import signal
import threading

import pytest

from cak_jax.runtime.signals import SIGNALS, Stopped, noted, raised


class InterruptedInDestructor:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_waits_for_the_check_and_the_second_does_not(number):
    with noted() as check:
        check()
        signal.raise_signal(number)
        with pytest.raises(Stopped) as first:
            check()
        with pytest.raises(Stopped) as second:
            signal.raise_signal(number)
    assert first.value.code == second.value.code == 128 + number


def test_a_signal_in_a_destructor_is_not_lost():
    with noted() as check:
        lost = InterruptedInDestructor()
        del lost  # an exception here would be printed and dropped
        with pytest.raises(Stopped):
            check()


def test_termination_raises_where_it_would_end_the_process():
    for number in SIGNALS[1:]:
        with pytest.raises(Stopped) as caught, raised():
            signal.raise_signal(number)
        assert caught.value.code == 128 + number
    with raised(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # as ever
    with raised(), noted() as check:  # as a command does
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped):
            check()


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


def test_handlers_go_and_those_of_others_stay():
    usual, inside = handlers(), []

    def enter():
        for block in (noted, raised):
            with block():
                inside.append(handlers())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert inside == [usual, usual] and handlers() == usual
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        enter()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert inside[2:] == [[signal.SIG_IGN] * len(SIGNALS)] * 2
    enter()
    assert handlers() == usual and usual not in inside[4:]
