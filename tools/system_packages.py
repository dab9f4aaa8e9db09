"""The system components of the tests, and their installation.

    python -m tools.system_packages     install missing components, if allowed

`COMPONENTS` lists all of them. A test requires one with `@pytest.mark.system("chromium")`. If it is
missing, tests/plugins/left_out.py skips the test with the reason, or fails it with CI=true.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OS_RELEASE = Path("/etc/os-release")


@dataclass(frozen=True)
class Component:
    """A system program that tests run."""

    name: str
    executables: tuple[str, ...]
    """Names of the program; the first one on PATH is used."""
    packages: tuple[str, ...]
    """Debian packages that contain it."""
    purpose: str


COMPONENTS = (
    Component(
        name="chromium",
        executables=("chromium", "chromium-browser", "google-chrome"),
        packages=("chromium", "fonts-liberation"),
        purpose="operates the Dagster UI like a user",
    ),
    Component(
        name="dpkg",
        executables=("dpkg",),
        packages=("dpkg",),
        purpose="compares Debian versions",
    ),
    Component(
        name="gnupg",
        executables=("gpg",),
        packages=("gnupg",),
        purpose="signs and verifies commits with OpenPGP keys",
    ),
    Component(
        name="npm",
        executables=("npm",),
        packages=("nodejs", "npm"),
        purpose="installs and runs an independent verifier of bundles",
    ),
    Component(
        name="openssh-client",
        executables=("ssh-keygen",),
        packages=("openssh-client",),
        purpose="signs and verifies commits with SSH keys",
    ),
    Component(
        name="softhsm2",
        executables=("softhsm2-util",),
        packages=("softhsm2",),
        purpose="is a PKCS#11 token in software, for tests of signing",
    ),
)


def find_component(name: str) -> Component:
    """Return the component of this name.

    Raises:
        KeyError: the name is not in `COMPONENTS`.
    """
    return {component.name: component for component in COMPONENTS}[name]


def find_executable(name: str) -> str | None:
    """Return the path of a component's program; None if it is not installed."""
    found = (shutil.which(executable) for executable in find_component(name).executables)
    return next((path for path in found if path is not None), None)


def explain_missing(name: str, environ: Mapping[str, str]) -> str:
    """Return in one line why a component is missing, and the command that installs it."""
    packages = " ".join(find_component(name).packages)
    reason = refusal(environ, OS_RELEASE) or "make test tries to install it"
    return (
        f"{name} is not installed ({reason}); install it, for example: apt-get install {packages}"
    )


def refusal(environ: Mapping[str, str], os_release: Path) -> str | None:
    """Return why packages cannot be installed here; None if they can."""
    if environ.get("SYSTEM_PACKAGES") == "no":
        return "SYSTEM_PACKAGES=no"
    if not is_debian(os_release) or shutil.which("apt-get") is None:
        return "not Debian or Ubuntu"
    if os.geteuid() != 0 and not has_passwordless_sudo():
        return "neither root nor passwordless sudo"
    return None


def is_debian(os_release: Path) -> bool:
    """Return whether the system is Debian, Ubuntu or derived from one of them."""
    try:
        lines = os_release.read_text().splitlines()
    except OSError:
        return False
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    names = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").split()
    return "debian" in names or "ubuntu" in names


def has_passwordless_sudo() -> bool:
    """Return whether sudo works without a password."""
    sudo = shutil.which("sudo")
    return sudo is not None and (
        subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0
    )


def install(packages: list[str], environ: Mapping[str, str]) -> int:
    """Install Debian packages and return apt-get's exit code."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    prefix += ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    subprocess.run([*prefix, "update"], check=False, env=dict(environ))
    command = [*prefix, "install", "--yes", "--no-install-recommends", *packages]
    return subprocess.run(command, check=False, env=dict(environ), stdout=sys.stderr).returncode


def main(environ: Mapping[str, str]) -> int:
    """Install missing packages; tests/plugins/left_out.py reports those that stay missing."""
    missing = [one for one in COMPONENTS if find_executable(one.name) is None]
    if not missing:
        return 0
    names = ", ".join(component.name for component in missing)
    reason = refusal(environ, OS_RELEASE)
    if reason is not None:
        print(f"system: not installing {names}: {reason}", flush=True)
        return 0
    print(f"system: installing {names}", flush=True)
    code = install([package for one in missing for package in one.packages], environ)
    if code != 0:
        print(f"system: apt-get failed with exit code {code}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
