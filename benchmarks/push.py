"""A process that pushes commits to a watched repository, and prints when their runs begin.

    python -P benchmarks/push.py PORT ROUNDS

It creates a bare remote of the current repository, with one stage that writes its start time. It
prints one JSON document: the seconds from the end of each push to this time, and the tick interval,
for which 5 seconds is the minimum of Dagster's daemon.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_INTERVAL = 5.0  # dagster._daemon.sensor.MIN_INTERVAL_LOOP_TIME
_PATIENCE = 120.0  # seconds for a run to begin, or a server to answer


def main(port: int, rounds: int) -> int:
    """Serve on a port, push, and print the seconds."""
    remote = Path.cwd().parent / "remote.git"
    began = Path.cwd().parent / "marks" / "began"
    began.parent.mkdir()  # a confined stage cannot create files beside its home directory
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", remote], check=True
    )
    pipeline = Path("dvc.yaml")
    pipeline.write_text(pipeline.read_text("utf-8").replace("BEGAN", str(began)), "utf-8")
    Path("ml-assets.toml").write_text(f"[watch]\ninterval = {_INTERVAL}\n", "utf-8")
    _git("add", "--all")
    _git("commit", "--quiet", "--message", "Write the time down")
    _git("remote", "add", "origin", str(remote))
    _git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    _git("fetch", "--quiet", "origin")
    command = [
        str(Path(sys.executable).with_name("ml-assets")),
        "ui",
        "--port",
        str(port),
        "--json",
    ]
    with open(Path.cwd().parent / "server.log", "wb") as log:
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        try:
            assert server.stdout is not None
            if not server.stdout.readline():
                raise SystemExit("the server did not start")
            time.sleep(2 * _INTERVAL)  # the first tick has noted the branches
            seconds = [_push(number, began) for number in range(rounds)]
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
    print(json.dumps({"seconds": seconds, "interval": _INTERVAL}))
    return 0


def _push(number: int, began: Path) -> float:
    Path("input.txt").write_text(f"{number}\n")
    _git("add", "input.txt")
    _git("commit", "--quiet", "--message", f"Input {number}")
    _git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    pushed = time.time()
    deadline = pushed + _PATIENCE
    while time.time() < deadline:
        lines = began.read_text().split() if began.exists() else []
        if len(lines) > number:
            # Let the run end; the next push is at another point of the interval.
            time.sleep(2.0 + 1.3 * number)
            return float(lines[number]) - pushed
        time.sleep(0.05)
    raise SystemExit("no run began")


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
