"""The system components that the tests need, and how they come onto the machine.

    python -m tools.system_packages     install what is missing, where that is allowed

`COMPONENTS` is the one list. A test says `@pytest.mark.system("chromium")`; where the component is
missing, tests/plugins/left_out.py leaves the test out and says why, or fails it with CI=true.
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
    """A program of the system that tests drive for real."""

    name: str
    executables: tuple[str, ...]
    """Names that it goes by; the first one on PATH is taken."""
    packages: tuple[str, ...]
    """Debian packages that bring it."""
    purpose: str


COMPONENTS = (
    Component(
        name="chromium",
        executables=("chromium", "chromium-browser", "google-chrome"),
        packages=("chromium", "fonts-liberation"),
        purpose="drives the Dagster UI as a person does",
    ),
    Component(
        name="dpkg",
        executables=("dpkg",),
        packages=("dpkg",),
        purpose="says which of two Debian versions is the lower one",
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
        purpose="installs and runs a verifier of bundles that shares no code with ours",
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
        purpose="is a PKCS#11 token in software, for signing with one",
    ),
)


def find_component(name: str) -> Component:
    """Return the component of this name.

    Raises:
        KeyError: the name is not in `COMPONENTS`.
    """
    return {component.name: component for component in COMPONENTS}[name]


def find_executable(name: str) -> str | None:
    """Return the path of a component's program, or None where it is not installed."""
    found = (shutil.which(executable) for executable in find_component(name).executables)
    return next((path for path in found if path is not None), None)


def explain_missing(name: str, environ: Mapping[str, str]) -> str:
    """Say in one line why a component is not there, and what to type to get it."""
    packages = " ".join(find_component(name).packages)
    reason = refusal(environ, OS_RELEASE) or "make test tries to install it"
    return f"{name} is not installed ({reason}); install it, such as: apt-get install {packages}"


def refusal(environ: Mapping[str, str], os_release: Path) -> str | None:
    """Say why packages may not be installed here, or return None where they may."""
    if environ.get("SYSTEM_PACKAGES") == "no":
        return "SYSTEM_PACKAGES=no"
    if not is_debian(os_release) or shutil.which("apt-get") is None:
        return "not Debian or Ubuntu"
    if os.geteuid() != 0 and not has_passwordless_sudo():
        return "neither root nor passwordless sudo"
    return None


def is_debian(os_release: Path) -> bool:
    """Say whether the system is Debian, Ubuntu or made from one of them."""
    try:
        lines = os_release.read_text().splitlines()
    except OSError:
        return False
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    names = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").split()
    return "debian" in names or "ubuntu" in names


def has_passwordless_sudo() -> bool:
    """Say whether sudo works without asking."""
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
    """Install missing packages; tests/plugins/left_out.py names those that remain missing."""
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
