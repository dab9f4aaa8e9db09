"""The cache of environment bills: which bills come from it, and what no stage can make of it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_assets.project.project import Project
from ml_assets.project.rules import find_rules
from ml_assets.proof.bom import bills
from ml_assets.proof.bom.bill_cache import BillCache
from ml_assets.signer.user_directories import find_state_home
from security.bom.bill import Bill
from tests.integration.test_bills import install, make_template
from tests.unit.resources.dvc_project import DvcProject


@pytest.fixture(scope="module")
def environment_template(tmp_path_factory: pytest.TempPathFactory) -> DvcProject:
    """A project with an environment of its own; only ever copied."""
    return make_template(tmp_path_factory.mktemp("bills") / "project", run=False)


@pytest.fixture
def project(
    environment_template: DvcProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DvcProject:
    """A copy of the project, with an empty cache of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", os.fspath(tmp_path / "state"))
    return environment_template.copy(tmp_path / "copied" / "project")


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The contents that were validated, which a bill from the cache is not again."""
    contents: list[bytes] = []
    validate = bills.validate_bill

    def count(content: bytes) -> Bill:
        contents.append(content)
        return validate(content)

    monkeypatch.setattr(bills, "validate_bill", count)
    yield contents


def build(project: DvcProject) -> bytes:
    opened = Project(project.root)
    return bills.build_environment_bill(opened, find_rules(project.root)).content


def cached() -> Path:
    (file,) = (find_state_home() / "bills").iterdir()
    return file


def site(project: DvcProject) -> Path:
    return next((project.root / ".venv" / "lib").glob("python3*")) / "site-packages"


def test_bill_of_an_unchanged_environment_is_made_once(
    project: DvcProject, validated: list[bytes]
) -> None:
    first = build(project)

    assert build(project) == first
    assert len(validated) == 1


def edit_metadata_in_place(project: DvcProject) -> None:
    file = site(project) / "three-2.5.dist-info" / "METADATA"
    status = file.stat()
    file.write_bytes(file.read_bytes().replace(b"License: Own", b"License: Our"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def edit_lock(project: DvcProject) -> None:
    file = project.root / "requirements" / "run.lock"
    file.write_text(file.read_text("utf-8").replace("windows==3", "windows==4"), "utf-8")


def add_lock(project: DvcProject) -> None:
    project.write("requirements.txt", "seven==7\n")


def rename_project(project: DvcProject) -> None:
    project.write("pyproject.toml", '[project]\nname = "other"\nversion = "2"\n')


def install_package(project: DvcProject) -> None:
    install(project.root, "five", "5")


def remove_package(project: DvcProject) -> None:
    shutil.rmtree(site(project) / "four-4.dist-info")


def install_from_elsewhere(project: DvcProject) -> None:
    place = site(project) / "four-4.dist-info" / "direct_url.json"
    place.write_text('{"url": "https://example.invalid/four.whl", "archive_info": {}}', "utf-8")
    os.utime(site(project))  # an installer replaces the directory


@pytest.mark.parametrize(
    "change",
    [
        edit_metadata_in_place,
        edit_lock,
        add_lock,
        rename_project,
        install_package,
        remove_package,
        install_from_elsewhere,
    ],
)
def test_changed_environment_has_another_bill(
    project: DvcProject, change: object, validated: list[bytes]
) -> None:
    assert callable(change)
    first = build(project)
    change(project)

    second = build(project)

    assert second != first
    assert validated == [first, second]


def test_bill_of_other_code_or_libraries_is_made_again(
    project: DvcProject, validated: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    build(project)
    monkeypatch.setattr("ml_assets.proof.bom.bill_cache._digest_makers", lambda: "other")

    build(project)

    assert len(validated) == 2


def change_one_byte(content: bytes) -> bytes:
    return content.replace(b"three", b"thr3e", 1)


def change_seal(content: bytes) -> bytes:
    return (b"1" if content[:1] == b"0" else b"0") + content[1:]


def drop_seal(content: bytes) -> bytes:
    return content.partition(b"\n")[2]


def empty_seal(content: bytes) -> bytes:
    return b"\n" + content.partition(b"\n")[2]


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def drop_everything(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize(
    "tamper", [change_one_byte, change_seal, drop_seal, empty_seal, truncate, drop_everything]
)
def test_forged_bill_is_not_used(
    project: DvcProject, validated: list[bytes], tamper: object
) -> None:
    assert callable(tamper)
    first = build(project)
    cached().write_bytes(tamper(cached().read_bytes()))

    assert build(project) == first
    assert len(validated) == 2


def test_older_bill_put_back_is_not_used(project: DvcProject, validated: list[bytes]) -> None:
    first = build(project)
    older = cached().read_bytes()
    install(project.root, "five", "5")
    second = build(project)
    cached().write_bytes(older)

    assert build(project) == second != first
    assert len(validated) == 3


def test_bill_of_another_environment_is_not_used(tmp_path: Path, project: DvcProject) -> None:
    seal, place = Project(project.root).seal, tmp_path / "bills"
    one, other = (BillCache(place, Path(name), seal) for name in ("/one", "/other"))
    one.keep("0" * 64, Bill(b"{}"))
    (file,) = place.iterdir()
    other.keep("1" * 64, Bill(b"[]"))
    (moved,) = {*place.iterdir()} - {file}
    shutil.copy(file, moved)

    assert other.load("0" * 64) is None
    assert one.load("1" * 64) is None
    assert one.load("0" * 64) == Bill(b"{}")


@pytest.mark.parametrize("make", [lambda file, at: file.symlink_to(at), lambda f, _: os.mkfifo(f)])
def test_link_or_pipe_in_place_of_a_bill_is_not_read(
    project: DvcProject, validated: list[bytes], tmp_path: Path, make: object
) -> None:
    assert callable(make)
    first = build(project)
    file = cached()
    file.rename(tmp_path / "elsewhere")
    make(file, tmp_path / "elsewhere")

    assert build(project) == first
    assert len(validated) == 2


def test_lock_file_that_changes_while_it_is_read_keeps_no_bill(
    project: DvcProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = bills.describe_environment
    file = project.root / "requirements" / "run.lock"
    original = file.read_text("utf-8")

    def swap(source: object) -> object:
        file.write_text(original.replace("three==2", "three==9"), "utf-8")
        try:
            return describe(source)  # type: ignore[arg-type]  # as it was given
        finally:
            file.write_text(original, "utf-8")

    with monkeypatch.context() as patch:
        patch.setattr(bills, "describe_environment", swap)
        assert b"three@9" in build(project)

    assert b"three@9" not in build(project)


def test_directory_that_cannot_be_written_costs_only_time(
    project: DvcProject, tmp_path: Path, validated: list[bytes]
) -> None:
    (tmp_path / "state").write_text("no directory", "utf-8")

    assert build(project) == build(project)
    assert len(validated) == 2


def test_few_environments_are_kept(project: DvcProject, tmp_path: Path) -> None:
    seal = Project(project.root).seal
    for number in range(40):
        BillCache(tmp_path / "bills", Path(f"/python{number}"), seal).keep("0" * 64, Bill(b"{}"))

    assert len(list((tmp_path / "bills").iterdir())) == 32
    assert BillCache(tmp_path / "bills", Path("/python39"), seal).load("0" * 64) is not None
