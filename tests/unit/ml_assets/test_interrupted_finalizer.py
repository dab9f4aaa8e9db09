"""An interruption that hits a finalizer, where Python only mentions it, is not lost."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

PROGRAM = """
import signal, sys, time
from ml_assets import cli

class Careless:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def main():
    try:
        Careless()
        time.sleep(20)
    except KeyboardInterrupt:
        return 130
    return 0

cli.main = main
cli.enter()
"""


def test_interruption_in_a_finalizer_arrives_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=15, check=False
    )
    assert done.returncode == 130, done.stderr
