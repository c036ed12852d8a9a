"""Ctrl-C that Python drops: it is raised at the next check."""

import signal
import threading

import pytest

from cak_jax.runtime.signals import noted_interrupt


class InterruptedInDestructor:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_lost_in_a_destructor_is_raised_at_the_next_check():
    with noted_interrupt() as check:
        check()
        lost = InterruptedInDestructor()
        del lost  # Python prints the KeyboardInterrupt and goes on
        with pytest.raises(KeyboardInterrupt):
            check()


def test_ctrl_c_raises_as_ever_and_the_handler_goes():
    with pytest.raises(KeyboardInterrupt), noted_interrupt():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_leaves_other_threads_and_ignored_signals_alone():
    handlers = []

    def enter():
        with noted_interrupt() as check:
            check()
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        enter()
    finally:
        signal.signal(signal.SIGINT, before)
    assert handlers == [signal.default_int_handler, signal.SIG_IGN]
