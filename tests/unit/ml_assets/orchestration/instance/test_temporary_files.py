"""The temporary files of the UI's processes."""

import os
import tempfile
from pathlib import Path

import pytest

from ml_assets.orchestration.instance.temporary_files import (
    make_private_directory,
    private_variables,
    use_own_directory,
)


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


def test_socket_fits_into_the_private_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("a" * 90)
    long.mkdir()
    for place in (tmp_path.parents[-2], long):
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        with make_private_directory() as directory:
            assert len(f"{directory}/tmp12345678") <= 107
            assert os.stat(directory).st_mode & 0o777 == 0o700
