"""Interruptions: Ctrl-C ends a command with one message, wherever it hits a library."""

from __future__ import annotations

import logging


class _NoInterruption(logging.Filter):
    """Drops records about an exception that only ends the command."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is about anything else."""
        kind = record.exc_info[0] if record.exc_info else None
        return kind is None or issubclass(kind, Exception)


def keep_out_of_logs() -> None:
    """Keep interruptions out of the log of SQLAlchemy, which prints a traceback for each.

    SQLAlchemy logs any exception that hits the return of a connection, and raises an interruption
    again, so nothing is lost. Other errors are still printed.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_NoInterruption())
    logger = logging.getLogger("sqlalchemy")
    logger.addHandler(handler)
    logger.propagate = False
