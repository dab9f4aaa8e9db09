"""Samples of secrets, put together from parts so that no file of ours holds one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from security.gates.interface import Report
from security.gates.secrets import SecretsGate
from security.gates.secrets.detectors import PLUGINS
from tests.unit.security.gates.gate_tasks import build_task

AWS = "AKIA" + "Z7QWERTY2UIOP3AS"
GITHUB = "ghp_" + "aB3dE6gH9jK2mN5pQ8" + "sT1vW4yZ7cF0hL3oR6"
HUGGING_FACE = "hf_" + "abcdefghijKLMNOPQR" + "STuvwxyz12345678"
SLACK = "https://hooks.slack" + ".com/services/T0123AB/B0123CD/abcdEFGH1234"
STRIPE = "sk_live_" + "4eC39HqLyjWD" + "arjtT1zdp7dc"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----"
WORD = "pass" + "word"
RANDOM = "q8Zt3LkV9xWm" + "Rb2Yc7Hf4JdP6sNg1TaE"
HEX = "9f86d081" + "884c7d65" + "9a2feaa0" + "c55ad015"
PRAGMA = "pragma: allowlist" + " secret"
NEXT_LINE = "pragma: allowlist nextline" + " secret"
ALL_SECRETS = (AWS, GITHUB, HUGGING_FACE, STRIPE, RANDOM, HEX, SLACK)
BASELINE = ".secrets.baseline"


def judge_secrets(
    directory: Path, files: Mapping[str, str | bytes], gate: SecretsGate | None = None
) -> Report:
    """Judge files by the secrets gate."""
    gate = gate or SecretsGate()
    return gate.judge(build_task(directory, gate, files))


def build_notebook(*source: str, output: str = "") -> str:
    """Return a notebook of one cell."""
    outputs = [{"output_type": "stream", "text": [output]}] if output else []
    cells = [{"cell_type": "code", "id": "a1b2c3d4", "source": list(source), "outputs": outputs}]
    return json.dumps({"cells": cells, "nbformat": 4}, indent=1)


def build_baseline(**changes: object) -> str:
    """Return a baseline that knows nothing, but for changes."""
    plugins = [{"name": name} for name in sorted(PLUGINS)]
    values = {"version": "1.5.0", "plugins_used": plugins, "results": {}, **changes}
    return json.dumps(values, indent=2)


def build_filter(name: str, **more: object) -> dict[str, object]:
    """Return a filter as a baseline names it."""
    return {"path": f"detect_secrets.filters.{name}", **more}
