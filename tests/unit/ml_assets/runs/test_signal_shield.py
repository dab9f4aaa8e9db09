"""The signal shield: interruptions reach our code, and never the shielded call."""

import signal
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from ml_assets.runs.signal_shield import call_shielded

PLACE: ContextVar[str] = ContextVar("PLACE")


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """Let SIGINT raise, even if these tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(times: int = 1) -> None:
    """Interrupt the main thread, as Ctrl-C does."""
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    for _ in range(times):
        time.sleep(0.05)
        signal.pthread_kill(main_thread, signal.SIGINT)


def never() -> None:
    """Be called by nothing."""
    pytest.fail("called without an interruption")


def test_result_is_returned() -> None:
    assert call_shielded(lambda: 7, never) == 7


def test_call_that_returns_nothing_ends() -> None:
    assert call_shielded(lambda: [].clear(), never) is None


def test_error_of_the_call_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        call_shielded(lambda: 1 // 0, never)


def test_call_sees_the_context_of_its_caller() -> None:
    PLACE.set("here")
    assert call_shielded(PLACE.get, never) == "here"


def test_interruption_waits_for_the_end_of_the_call() -> None:
    asked = threading.Event()
    ended = []

    def call() -> None:
        interrupt()
        assert asked.wait(10)
        time.sleep(0.2)
        ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        call_shielded(call, asked.set)
    assert ended == [True]


def test_interruption_of_a_call_that_fails_is_an_interruption() -> None:
    asked = threading.Event()

    def call() -> None:
        interrupt()
        assert asked.wait(10)
        raise ValueError("the call was cut short")

    with pytest.raises(KeyboardInterrupt):
        call_shielded(call, asked.set)


def test_second_interruption_does_not_wait() -> None:
    release = threading.Event()

    def call() -> None:
        interrupt(times=2)
        release.wait(30)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        call_shielded(call, lambda: None)
    release.set()
    assert time.monotonic() - started < 20
