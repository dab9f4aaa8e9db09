"""Records of lock files: believed only if signed, for this repository, branch and commit."""

import base64
import dataclasses
import datetime
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ml_assets.branches.lock_records import (
    AUTHOR,
    COMMIT_TRAILER,
    RUN_TRAILER,
    STATEMENT_TRAILER,
    LockRecords,
)
from resources.git.command import call_git
from resources.git.commit_history import Author
from resources.git.mirror import TRUSTED_LOCKS, Mirror, open_mirror
from resources.git.object_format import hash_object
from resources.git.remote_repository import LOCKS
from security.content.digest import digest_bytes
from security.errors import SecurityError
from security.signing.signer import KeySigner
from security.signing.trust import Trust, TrustedKey
from security.statements.lock_record import (
    LockRecord,
    RecordedFile,
    parse_lock_record,
    write_lock_record,
)
from security.statements.predicates import Purpose
from security.statements.statement import Subject, parse_statement, write_statement
from tests.unit.security.statements.statement_samples import make_signer, trusting

pytestmark = pytest.mark.process

SIGNER = make_signer()
LOCK = {"dvc.lock": b"lock"}
HOUR = datetime.timedelta(hours=1)
Kept = Callable[[str], set[str]]


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return open_mirror(tmp_path / "mirror.git", str(tmp_path / "nowhere"))


@pytest.fixture
def records(mirror: Mirror) -> LockRecords:
    return LockRecords(mirror, "example.org/acme/ml", lambda: trusting(SIGNER))


def commit(mirror: Mirror, parent: str | None, **files: str) -> str:
    named = {name.replace("_", "."): text.encode() for name, text in files.items()}
    return mirror.write_commit(named, "Change", Author("Ann", "a@b"), 1, parent)


def message(records: LockRecords, origin: str, files: Mapping[str, bytes], **other: Any) -> str:
    signer: KeySigner = other.pop("signer", SIGNER)
    return records.write_message(other.pop("branch", "main"), origin, "run-1", files, signer.sign)


def push(mirror: Mirror, text: str, files: Mapping[str, bytes], branch: str = "main") -> str:
    """Put a record where a push would."""
    new = mirror.write_commit(files, text, AUTHOR, 2, None, whole=True)
    mirror.write_ref(f"{LOCKS}/{branch}", new, mirror.read_ref(f"{LOCKS}/{branch}"))
    return new


def record(records: LockRecords, origin: str, files: Mapping[str, bytes], **other: Any) -> str:
    return push(records.mirror, message(records, origin, files, **other), files)


def find(records: LockRecords, at: str, below: str = ".") -> tuple[dict[str, bytes], list[str]]:
    notices: list[str] = []
    found = records.find("main", notices.append)
    if found is None:
        return {}, notices
    return records.select(found, at, below, notices.append), notices


def signed_by(made: LockRecord, signer: KeySigner = SIGNER) -> str:
    """Return the trailer of a record as somebody with a key may write it."""
    content = signer.sign(write_lock_record(made).payload).content
    return trailer(content)


def trailer(content: bytes) -> str:
    return f"{STATEMENT_TRAILER}: {base64.b64encode(content).decode()}\n"


def record_of(origin: str, files: Mapping[str, bytes] = LOCK, **other: Any) -> LockRecord:
    made = LockRecord(
        {
            path: RecordedFile(digest_bytes(one).sha256, hash_object(b"blob", one))
            for path, one in files.items()
        },
        "example.org/acme/ml",
        "main",
        origin,
        "run-1",
        datetime.datetime.now(datetime.UTC),
    )
    return dataclasses.replace(made, **other)


def test_without_a_record_there_is_none(records: LockRecords) -> None:
    assert find(records, commit(records.mirror, None, a="1")) == ({}, [])


def test_signed_record_of_an_ancestor_counts(records: LockRecords) -> None:
    first = commit(records.mirror, None, train_py="1")
    record(records, first, LOCK)
    later = commit(records.mirror, first, train_py="2")
    assert find(records, first) == (LOCK, [])
    assert find(records, later) == (LOCK, [])


def test_file_that_was_committed_since_wins(records: LockRecords) -> None:
    first = commit(records.mirror, None, train_py="1")
    record(records, first, {**LOCK, "metrics.json": b"{}"})
    later = commit(records.mirror, first, dvc_lock="by hand")
    assert find(records, later)[0] == {"metrics.json": b"{}"}


def test_record_of_a_later_commit_or_of_rewritten_history_does_not_count(
    records: LockRecords,
) -> None:
    first = commit(records.mirror, None, train_py="1")
    later = commit(records.mirror, first, train_py="2")
    record(records, later, LOCK)
    files, notices = find(records, first)
    assert not files
    assert "not an ancestor" in notices[0]


@pytest.mark.parametrize("origin", ["f" * 40, "--all", "HEAD:../x"])
def test_record_of_no_commit_does_not_count(origin: str, records: LockRecords) -> None:
    first = commit(records.mirror, None, train_py="1")
    push(records.mirror, f"x\n\n{signed_by(record_of(origin))}", LOCK)
    assert not find(records, first)[0]


def test_record_below_the_root_of_git_is_found_there(records: LockRecords) -> None:
    first = commit(records.mirror, None, train_py="1")
    record(records, first, {"ml/dvc.lock": b"lock", "dvc.lock": b"other"})
    assert find(records, first, "ml")[0] == LOCK


def forge_unsigned(records: LockRecords, origin: str) -> None:
    text = f"Record\n\n{COMMIT_TRAILER}: {origin}\n{RUN_TRAILER}: run-1\n"
    push(records.mirror, text, LOCK)


def sign_with_another_key(records: LockRecords, origin: str) -> None:
    record(records, origin, LOCK, signer=make_signer())


def exchange_a_file(records: LockRecords, origin: str) -> None:
    push(records.mirror, message(records, origin, LOCK), {"dvc.lock": b"evil"})


def add_a_file(records: LockRecords, origin: str) -> None:
    push(records.mirror, message(records, origin, LOCK), {**LOCK, "metrics.json": b"evil"})


def leave_out_a_file(records: LockRecords, origin: str) -> None:
    push(records.mirror, message(records, origin, {**LOCK, "metrics.json": b"1"}), LOCK)


def rename_a_file(records: LockRecords, origin: str) -> None:
    push(records.mirror, message(records, origin, LOCK), {"other/dvc.lock": b"lock"})


def sign_another_sha256(records: LockRecords, origin: str) -> None:
    files = {"dvc.lock": RecordedFile("0" * 64, hash_object(b"blob", b"lock"))}
    made = dataclasses.replace(record_of(origin), files=files)
    push(records.mirror, signed_by(made), LOCK)


def sign_twice(records: LockRecords, origin: str) -> None:
    text = message(records, origin, LOCK)
    push(records.mirror, text + signed_by(record_of(origin)), LOCK)


def repeat_the_statement(records: LockRecords, origin: str) -> None:
    text = message(records, origin, LOCK)
    push(records.mirror, text + text.splitlines()[-1] + "\n", LOCK)


def replay_of_another_branch(records: LockRecords, origin: str) -> None:
    record(records, origin, LOCK, branch="develop")


def replay_of_another_repository(records: LockRecords, origin: str) -> None:
    other = dataclasses.replace(records, repository="example.org/fork/ml")
    push(records.mirror, message(other, origin, LOCK), LOCK)


def sign_another_type(records: LockRecords, origin: str) -> None:
    made = parse_statement(write_lock_record(record_of(origin)).payload)
    other = write_statement(made.subjects, "urn:ml-assets:rebuild:v1", made.predicate)
    push(records.mirror, trailer(SIGNER.sign(other.payload).content), LOCK)


def change_the_statement(records: LockRecords, origin: str) -> None:
    bundle = json.loads(SIGNER.sign(write_lock_record(record_of("0" * 40)).payload).content)
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"]).replace(
        b"0" * 40, origin.encode()
    )
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    push(records.mirror, trailer(json.dumps(bundle).encode()), LOCK)


def write_garbage(records: LockRecords, origin: str) -> None:
    push(records.mirror, f"{STATEMENT_TRAILER}: !!!\n", LOCK)


def write_a_huge_statement(records: LockRecords, origin: str) -> None:
    push(records.mirror, message(records, origin, LOCK) + "\n" * (5 << 20) + "x", LOCK)


def sign_a_path_that_is_a_file_and_a_directory(records: LockRecords, origin: str) -> None:
    files = {**LOCK, "dvc.lock/x": b"x"}
    push(records.mirror, signed_by(record_of(origin, files)), LOCK)


ATTACKS = [
    forge_unsigned,
    sign_with_another_key,
    exchange_a_file,
    add_a_file,
    leave_out_a_file,
    rename_a_file,
    sign_another_sha256,
    sign_twice,
    repeat_the_statement,
    replay_of_another_branch,
    replay_of_another_repository,
    sign_another_type,
    change_the_statement,
    write_garbage,
    write_a_huge_statement,
    sign_a_path_that_is_a_file_and_a_directory,
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("known", [False, True])
def test_false_record_does_not_count_and_does_not_replace_a_valid_one(
    records: LockRecords, attack: Callable[[LockRecords, str], None], known: bool
) -> None:
    first = commit(records.mirror, None, train_py="1")
    if known:
        record(records, first, {"dvc.lock": b"valid"})
        assert find(records, first)[0] == {"dvc.lock": b"valid"}
    attack(records, first)

    files, notices = find(records, first)

    assert files == ({"dvc.lock": b"valid"} if known else {})
    assert len(notices) == 1


@pytest.mark.parametrize(
    "limits",
    [
        {"revoked": datetime.datetime.now(datetime.UTC)},
        {"until": datetime.datetime.now(datetime.UTC) - HOUR},
        {"since": datetime.datetime.now(datetime.UTC) + HOUR},
        {"purposes": frozenset({Purpose.GATE_RESULT})},
    ],
)
def test_signer_that_is_no_longer_trusted_does_not_count(
    records: LockRecords, limits: dict[str, Any]
) -> None:
    first = commit(records.mirror, None, train_py="1")
    record(records, first, LOCK)
    assert find(records, first)[0] == LOCK
    key = TrustedKey("server", key=SIGNER.public_key, **limits)
    later = dataclasses.replace(records, find_trust=lambda: Trust({SIGNER.public_key.id: key}))
    assert find(later, first)[0] == {}


def test_older_record_that_is_pushed_again_does_not_count(records: LockRecords) -> None:
    mirror = records.mirror
    first = commit(mirror, None, train_py="1")
    old = record(records, first, {"dvc.lock": b"old"})
    second = commit(mirror, first, train_py="2")
    new = record(records, second, {"dvc.lock": b"new"})
    assert find(records, second)[0] == {"dvc.lock": b"new"}

    mirror.write_ref(f"{LOCKS}/main", old, new)

    files, notices = find(records, second)
    assert files == {"dvc.lock": b"new"}
    assert notices == [f"older record of lock files: {first[:12]}"]


def test_record_of_a_later_commit_counts_where_clocks_differ(records: LockRecords) -> None:
    """A second machine, whose clock is behind, has run a later commit."""
    mirror = records.mirror
    first = commit(mirror, None, train_py="1")
    record(records, first, {"dvc.lock": b"first"})
    second = commit(mirror, first, train_py="2")
    find(records, second)
    behind = datetime.datetime.now(datetime.UTC) - HOUR
    push(mirror, signed_by(record_of(second, recorded=behind)), LOCK)
    assert find(records, second) == (LOCK, [])


def test_valid_record_is_remembered_where_no_remote_writes(records: LockRecords) -> None:
    first = commit(records.mirror, None, train_py="1")
    tip = record(records, first, LOCK)
    find(records, first)
    assert records.mirror.read_ref(f"{TRUSTED_LOCKS}/main") == tip


@pytest.mark.parametrize("change", ["predicate", "field", "digest"])
def test_record_with_other_fields_is_none(change: str) -> None:
    made = write_lock_record(record_of("0" * 40))
    predicate, subjects = dict(made.predicate), made.subjects
    if change == "field":
        predicate["more"] = 1
    if change == "digest":
        subjects = tuple(Subject(one.name, {"sha256": "0" * 64}) for one in subjects)
    kind = "urn:other" if change == "predicate" else made.predicate_type
    with pytest.raises(SecurityError, match="not a record of lock files"):
        parse_lock_record(write_statement(subjects, kind, predicate))


# Commits of a branch that claim to be the record of a run


def kept(_: str) -> set[str]:
    return {"dvc.lock", "metrics.json"}


def test_commit_of_a_run_is_known(records: LockRecords) -> None:
    first = commit(records.mirror, None, train_py="1", dvc_lock="old")
    files = {**LOCK, "metrics.json": b"{}"}
    text = message(records, first, files)
    ours = records.mirror.write_commit(files, text, AUTHOR, 2, first)
    assert records.find_origin(ours, "main", kept) == first
    assert records.find_origin(first, "main", kept) is None


def test_commit_of_a_run_is_known_after_a_push_and_a_fetch(
    records: LockRecords, tmp_path: Path
) -> None:
    remote = open_mirror(tmp_path / "remote.git", "nowhere").directory
    mirror = open_mirror(tmp_path / "one.git", str(remote))
    sender = dataclasses.replace(records, mirror=mirror)
    first = commit(mirror, None, train_py="1")
    ours = mirror.write_commit(LOCK, message(sender, first, LOCK), AUTHOR, 2, first)
    mirror.push_ref("refs/heads/main", ours, None)
    other = open_mirror(tmp_path / "two.git", str(remote))
    other.fetch(["main"], "main")
    assert dataclasses.replace(records, mirror=other).find_origin(ours, "main", kept) == first


@pytest.mark.parametrize(
    ("author", "files", "signed"),
    [
        (Author("Ann", "a@b"), LOCK, True),
        (AUTHOR, {**LOCK, "train.py": b"evil"}, True),
        (AUTHOR, {"dvc.lock": b"evil"}, True),
        (AUTHOR, {"train.py": b"evil"}, True),
        (AUTHOR, {"train.py": b"evil"}, False),
        (AUTHOR, LOCK, False),
    ],
)
def test_commit_that_pretends_to_be_of_a_run_is_run(
    author: Author, files: dict[str, bytes], signed: bool, records: LockRecords
) -> None:
    first = commit(records.mirror, None, train_py="1")
    claim = f"Record\n\n{COMMIT_TRAILER}: {first}\n{RUN_TRAILER}: run-1\n"
    text = message(records, first, LOCK) if signed else claim
    forged = records.mirror.write_commit(files, text, author, 2, first)
    assert records.find_origin(forged, "main", kept) is None


def test_signed_file_that_is_no_lock_file_makes_a_commit_run(records: LockRecords) -> None:
    """Judged code can get a signature: its files must still be those that a run records."""
    first = commit(records.mirror, None, train_py="1")
    files = {"train.py": b"evil"}
    text = message(records, first, files)
    forged = records.mirror.write_commit(files, text, AUTHOR, 2, first)
    assert records.find_origin(forged, "main", kept) is None


def test_record_of_another_branch_or_repository_makes_a_commit_run(records: LockRecords) -> None:
    first = commit(records.mirror, None, train_py="1")
    fork = dataclasses.replace(records, repository="example.org/fork/ml")
    for text in (message(records, first, LOCK, branch="develop"), message(fork, first, LOCK)):
        forged = records.mirror.write_commit(LOCK, text, AUTHOR, 2, first)
        assert records.find_origin(forged, "main", kept) is None


def test_record_on_top_of_another_commit_makes_it_run(records: LockRecords) -> None:
    """The message names a commit that ran; code comes in between, or from elsewhere."""
    first = commit(records.mirror, None, train_py="1")
    text = message(records, first, LOCK)
    evil = commit(records.mirror, first, train_py="evil")
    for parent in (evil, None):
        forged = records.mirror.write_commit(LOCK, text, AUTHOR, 2, parent)
        assert records.find_origin(forged, "main", kept) is None


def write_tree(mirror: Mirror, parents: list[str], text: str, entries: str) -> str:
    """Write a commit of the author of records from the lines of ``git mktree``."""
    tree = (
        call_git(mirror.directory, "mktree", "--missing", stdin=entries.encode())
        .stdout.decode()
        .strip()
    )
    who = f"{AUTHOR.name} <{AUTHOR.email}> 2 +0000"
    lines = [f"tree {tree}", *(f"parent {one}" for one in parents), f"author {who}"]
    command = ("hash-object", "-t", "commit", "-w", "--stdin")
    body = "\n".join([*lines, f"committer {who}", "", text])
    done = call_git(mirror.directory, *command, stdin=body.encode())
    return done.stdout.decode().strip()


@pytest.mark.parametrize("order", [0, 1])
def test_merge_that_claims_to_be_a_record_is_run(order: int, records: LockRecords) -> None:
    mirror = records.mirror
    first = commit(mirror, None, train_py="1")
    evil = commit(mirror, first, train_py="evil")
    code, lock = hash_object(b"blob", b"1"), hash_object(b"blob", b"lock")
    parents = [first, evil] if order == 0 else [evil, first]
    entries = f"100644 blob {lock}\tdvc.lock\n100644 blob {code}\ttrain.py\n"
    mirror.write_commit(LOCK, "x", AUTHOR, 1, None)  # so that the blob is there
    text = message(records, first, LOCK)
    alone = write_tree(mirror, [first], text, entries)
    assert records.find_origin(alone, "main", kept) == first
    merge = write_tree(mirror, parents, text, entries)
    assert records.find_origin(merge, "main", kept) is None


@pytest.mark.parametrize("mode", ["120000 blob", "100755 blob", "160000 commit"])
def test_record_with_a_link_mode_or_submodule_is_run(mode: str, records: LockRecords) -> None:
    mirror = records.mirror
    first = commit(mirror, None, train_py="1")
    if mode != "160000 commit":
        mirror.write_commit(LOCK, "x", AUTHOR, 1, None)
    code, lock = hash_object(b"blob", b"1"), hash_object(b"blob", b"lock")
    entries = f"{mode} {lock}\tdvc.lock\n100644 blob {code}\ttrain.py\n"
    forged = write_tree(mirror, [first], message(records, first, LOCK), entries)
    assert records.find_origin(forged, "main", kept) is None


def test_change_of_the_mode_of_code_is_run(records: LockRecords) -> None:
    mirror = records.mirror
    first = commit(mirror, None, train_py="1")
    mirror.write_commit(LOCK, "x", AUTHOR, 1, None)
    code, lock = hash_object(b"blob", b"1"), hash_object(b"blob", b"lock")
    entries = f"100644 blob {lock}\tdvc.lock\n100755 blob {code}\ttrain.py\n"
    forged = write_tree(mirror, [first], message(records, first, LOCK), entries)
    assert records.find_origin(forged, "main", kept) is None


def test_removed_file_makes_a_record_run(records: LockRecords) -> None:
    mirror = records.mirror
    first = commit(mirror, None, train_py="1")
    forged = mirror.write_commit(LOCK, message(records, first, LOCK), AUTHOR, 2, first, whole=True)
    assert records.find_origin(forged, "main", kept) is None
