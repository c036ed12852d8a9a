"""One of several processes ends while another waits for it."""

import subprocess
import sys

import harness
import pytest
from support.ports import free_port

# Process 1 ends where process 0 waits for it; `leave` ends process 0.
CODE = """
import os, sys
from cak_jax.runtime import console
from cak_jax.sweep import hosts
hosts.join(sys.argv[1], 2, int(sys.argv[2]))
hosts.wait("both are there")
if sys.argv[2] == "1":
    os._exit(9)
try:
    {"wait": lambda: hosts.wait("the other is there"), "agree": lambda: hosts.agree(1),
     "check_same": lambda: hosts.check_same("00" * 32, "this")}[sys.argv[3]]()
except hosts.HostError as error:
    console.leave(console.complain(error, 1))
"""


@pytest.mark.parametrize("call", ["wait", "agree", "check_same"])
def test_the_end_of_another_process_is_one_line(call):
    address = f"localhost:{free_port()}"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, address, str(number), call],
            env=harness.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(2)
    ]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [1, 9], said
    [line] = [text for text in said[0].splitlines() if "error" in text.lower()]
    assert line.startswith("error: another process has ended (")
    assert line.endswith("); start all of them again: finished runs are kept")
    assert "Check failure" not in said[0]
