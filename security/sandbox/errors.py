"""The error of confinement."""

from __future__ import annotations

from typing import ClassVar

from security.errors import SecurityError


class ConfinementError(SecurityError):
    """This system cannot deny a process access to something."""

    kind: ClassVar[str] = "confinement"
