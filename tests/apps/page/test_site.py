"""What the tabs share: the end waits for handlers that run."""

import threading

import pytest

from cak_jax.apps.page.site import Running


def test_the_end_waits_for_what_runs():
    running, begun, allowed = Running(), threading.Event(), threading.Event()
    done = []

    def handle():
        with running.one():
            begun.set()
            assert allowed.wait(10)
            done.append(True)

    thread = threading.Thread(target=handle)
    thread.start()
    assert begun.wait(10) and not running.wait(0.05)
    allowed.set()
    assert running.wait(10) and done
    thread.join(10)


def test_a_handler_that_fails_does_not_run_any_more():
    running = Running()
    with pytest.raises(ValueError, match="broken"), running.one():
        raise ValueError("broken")
    assert running.wait(0.0)
