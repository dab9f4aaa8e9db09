"""The refusal of a request: its status, and a message that the UI shows."""

from __future__ import annotations

from typing import Any


class RequestRefusedError(Exception):
    """The guard refuses a request.

    Attributes:
        status: the status code of the answer, RFC 9110 section 15.
        message: the cause, and after a colon what to do.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def document(self) -> dict[str, Any]:
        """Return the answer in the form of a GraphQL error, which the UI shows."""
        return {"data": None, "errors": [{"message": self.message}]}
