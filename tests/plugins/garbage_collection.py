"""The garbage collector while tests are collected: off, because each of its passes visits them all.

It takes almost half of the time of a collection. What is there at the end stays until the end of
the process, so later passes leave it out.
"""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without the garbage collector."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
