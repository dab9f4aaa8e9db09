"""``ml-assets params diff``: compare the parameters of the working tree with those of a commit."""

from __future__ import annotations

import argparse

from ml_assets.commands.metrics import add_diff, print_diff
from ml_assets.reporting.value_comparison import list_params_files

_EPILOG = """\
examples:
  ml-assets params diff
  ml-assets params diff main
  ml-assets params diff HEAD~3 --all
  ml-assets params diff --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action and its options."""
    add_diff(parser, "parameters", _EPILOG)


def execute(arguments: argparse.Namespace) -> int:
    """Print the comparison."""
    return print_diff(arguments, list_params_files)
