"""A real S3 server on this machine: SeaweedFS, with one user, whose signatures it checks."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

USER, SECRET = "tester", "open-sesame-4711"
REGION = "us-east-1"
PROGRAM = Path(sys.executable).parent / "weed"
ROLES = ("master", "volume", "filer", "s3")  # all in one process
ATTEMPTS = 3  # somebody else may take a port before the program does
SECONDS = 60.0


class S3Server:
    """One process of SeaweedFS; what it stores outlives it, and the next start goes on with it.

    Args:
        directory: for its data, settings and log; new.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "log"
        self._settings = directory / "s3.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}
        user = {
            "name": USER,
            "credentials": [{"accessKey": USER, "secretKey": SECRET}],
            "actions": ["Admin"],
        }
        self._settings.write_text(json.dumps({"identities": [user]}))

    @property
    def url(self) -> str:
        """Where it answers, or has answered last."""
        return f"http://127.0.0.1:{self._ports['s3']}"

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Start it at free ports, and wait until it answers and can store something."""
        for _ in range(ATTEMPTS):
            self._launch()
            if self._comes_up():
                return
            self.kill()
        raise AssertionError(f"the S3 server does not come up: {self._told()}")

    def kill(self) -> None:
        """End it at once, as a power cut would; asked politely, it takes a quarter of a minute."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(30)
        self._process = None
        for role in ROLES:  # it makes these in spite of all settings
            Path(f"/tmp/seaweedfs-{role}-grpc-{self._ports[f'{role}.grpc']}.sock").unlink(
                missing_ok=True
            )

    def make_bucket(self, name: str) -> None:
        """Make a bucket, and show the log where that fails."""
        try:
            self._client().create_bucket(Bucket=name)
        except (BotoCoreError, ClientError) as error:
            raise AssertionError(f"no bucket: {error}: {self._told()}") from error

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Store an object."""
        self._client().put_object(Bucket=bucket, Key=key, Body=content)

    def _launch(self) -> None:
        names = [*ROLES, *(f"{role}.grpc" for role in ROLES)]
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        at = [
            f"-{role}.port{kind}={self._ports[role + kind]}"
            for role in ROLES
            for kind in ("", ".grpc")
        ]
        command = [str(PROGRAM), "-logtostderr", "server", "-dir=.", *at]
        command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]
        command += ["-volume.max=1000", "-master.volumeSizeLimitMB=64"]  # seven for each bucket
        command += ["-filer", "-filer.localSocket=filer.sock"]
        command += ["-s3", f"-s3.config={self._settings}", "-s3.localSocket=s3.sock"]
        command += ["-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        data = self._directory / "data"
        data.mkdir(exist_ok=True)
        # Nothing of the user's: AWS_ACCESS_KEY_ID would be one more administrator.
        environment = {"PATH": os.defpath, "HOME": str(data)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=data, env=environment, stdout=log, stderr=log
            )

    def _comes_up(self) -> bool:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                return False
            if self._has_room() and self._answers():
                return True
            time.sleep(0.05)
        return False

    def _has_room(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._ports['master']}/dir/status", timeout=5
            ) as answer:
                return bool(json.load(answer)["Topology"]["Max"])
        except (OSError, ValueError, KeyError):
            return False

    def _answers(self) -> bool:
        try:
            self._client().list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    def _client(self) -> BaseClient:
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=USER,
            aws_secret_access_key=SECRET,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
        )

    def _told(self) -> str:
        return self._log.read_text(errors="replace")[-4000:] if self._log.exists() else "no log"


def free_ports(count: int) -> list[int]:
    """Return different ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextmanager
def s3(directory: Path) -> Iterator[S3Server]:
    """Run an S3 server while the block runs."""
    server = S3Server(directory)
    try:
        server.start()
        yield server
    finally:
        server.kill()
