"""The temporary files of the UI's processes."""

import os
import tempfile
from pathlib import Path

import pytest

from ml_assets.orchestration.instance.temporary_files import (
    make_socket_directory,
    private_variables,
    use_own_directory,
)
from resources.errors import ConfigurationError
from security.sandbox.private_directory import find_private


@pytest.mark.parametrize("own", [None, "{tmp}"])
def test_processes_return_to_the_directory_of_the_user(
    own: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {"TMPDIR": own.format(tmp=tmp_path)} if own else {}
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(os, "environ", private_variables(before, tmp_path / "private"))
    assert os.environ["TMPDIR"] == str(tmp_path / "private")
    use_own_directory()
    assert os.environ == before
    use_own_directory()  # once more, as after a reload
    assert os.environ == before


def test_directory_is_private_and_hidden_from_stages(tmp_path: Path) -> None:
    with make_socket_directory() as directory:
        assert directory.parent == find_private()
        assert os.stat(directory).st_mode & 0o777 == 0o700
        assert len(f"{directory}/listener-12345678") <= 107
    assert not directory.exists()


def test_directory_that_is_too_long_for_sockets_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("a" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    find_private.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="path too long for sockets") as caught:
            with make_socket_directory():
                pass
    finally:
        find_private.cache_clear()
    assert caught.value.hint == "type: export TMPDIR=/tmp"
