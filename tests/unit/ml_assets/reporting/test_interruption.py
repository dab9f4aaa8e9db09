"""Interruptions are no errors: no traceback of a library appears for one."""

import logging
from collections.abc import Iterator

import pytest
import sqlalchemy as db
from sqlalchemy.pool import QueuePool

from ml_assets.reporting.interruption import keep_out_of_logs


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    logger = logging.getLogger("sqlalchemy")
    before, propagates = [*logger.handlers], logger.propagate
    yield
    logger.handlers[:], logger.propagate = before, propagates


def return_connection(error: BaseException) -> None:
    """Return a connection to its pool while the error hits."""
    engine = db.create_engine("sqlite://", poolclass=QueuePool)

    def hit(*_: object) -> None:
        raise error

    connection = engine.connect()
    db.event.listen(engine, "reset", hit)
    connection.close()


def test_interruption_in_sqlalchemy_prints_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep_out_of_logs()
    with pytest.raises(KeyboardInterrupt):
        return_connection(KeyboardInterrupt())
    assert capsys.readouterr().err == ""


def test_error_in_sqlalchemy_is_still_printed(capsys: pytest.CaptureFixture[str]) -> None:
    keep_out_of_logs()
    return_connection(OSError("disk full"))
    assert "OSError: disk full" in capsys.readouterr().err
