"""Serve a private Sigstore until Ctrl-C, for trying by hand.

    python -m tests.private_sigstore DIRECTORY

DIRECTORY gets `trust-v1.json` and `trust-v2.json` (client trust configurations with Rekor's two
interfaces), `trusted_root.json`, `token` (of dev@example.com, good for two hours) and `job.env`
(the variables of a job of GitHub Actions).
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from tests.private_sigstore.server import PrivateSigstore


def write_files(sigstore: PrivateSigstore, directory: Path) -> None:
    """Write what clients need; the secrets are readable by their owner only."""
    directory.mkdir(parents=True, exist_ok=True)
    for version in (1, 2):
        document = json.dumps(sigstore.trust.client(version), indent=1)
        (directory / f"trust-v{version}.json").write_text(document)
    (directory / "trusted_root.json").write_text(json.dumps(sigstore.trust.trusted_root()))
    token = sigstore.provider.issue_for_person("dev@example.com", 7200)
    variables = "".join(f"{name}={one}\n" for name, one in sigstore.job_environment().items())
    for name, secret in (("token", token), ("job.env", variables)):
        handle = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(secret)


def main(arguments: list[str]) -> int:
    """Serve."""
    if len(arguments) != 1:
        sys.stderr.write(f"{(__doc__ or '').strip()}\n")
        return 2
    with PrivateSigstore() as sigstore:
        write_files(sigstore, Path(arguments[0]))
        print(sigstore.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
