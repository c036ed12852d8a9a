"""Where `CI=true`, a skip that an installation could avoid is a failure.

A pytest plugin: a test skips as usual, and its reason decides. The reasons below depend
on the machine or the user; they stay skips everywhere. Every other reason names
something that is missing, such as a browser or a library; `.ci/run` installs all of
those.
"""

import os

import pytest

BY_NATURE = {
    "host memory is CPU's": "the tests run on an accelerator",
    "unshare -m is not permitted here": "the user may not make mounts",
    "no mounts of one's own here": "the user may not make mounts",
    "Linux only": "there is no /proc/self/mem",
    "nothing is unreadable to root": "the user is root",
    "nothing is read-only to root": "the user is root",
    "no /dev/full": "the system has no such device",
    "no FIFOs here": "the system has no named pipes",
    "this file system does not take the name": "file names must be Unicode",
}


def judged(report):
    """Return a report; in CI an avoidable skip has become a failure in it."""
    if report.outcome != "skipped" or os.environ.get("CI") != "true":
        return report
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if reason not in BY_NATURE:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI=true does not allow: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Judge what a test reports."""
    return judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """Judge what a module reports that skips as a whole."""
    return judged((yield))
