"""Each file that a verification reads, changed one at a time: malicious changes are refused."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from security.signing.bundle import parse_bundle
from security.statements.statement import identify
from tests.integration.tampering.verified_project import VerifiedProject
from tests.unit.security.statements.statement_samples import make_signer

MODELS = ("model.pkl", "net")
SIGNATURE = "model_signing/signature"
DECISION = "verification_summary"
STRANGER = """version = 1
[[keys]]
file = "stranger.pem"
name = "stranger"
"""
OFF = 'version = 1\n[environments.materialize]\ndefault = { level = "off" }\n'


@pytest.mark.parametrize("subject", MODELS)
def test_untouched_copy_passes(project: VerifiedProject, subject: str) -> None:
    answer = project.verify(subject)
    assert answer.passed, answer.said


# --- bytes


def test_each_changed_byte_of_a_model_is_refused(project: VerifiedProject) -> None:
    path = project.root / "model.pkl"
    content = path.read_bytes()
    survivors = []
    for at in range(0, len(content), 4):
        replace(path, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        if project.verify().passed:
            survivors.append(at)
    assert survivors == []


def replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def grow(root: Path) -> None:
    replace(root / "model.pkl", (root / "model.pkl").read_bytes() + b"\n")


def shrink(root: Path) -> None:
    replace(root / "model.pkl", (root / "model.pkl").read_bytes()[:-1])


def empty(root: Path) -> None:
    replace(root / "model.pkl", b"")


def link_to_another(root: Path) -> None:
    (root / "model.pkl").unlink()
    (root / "model.pkl").symlink_to("net/deep/a.pkl")


def become_a_pipe(root: Path) -> None:
    (root / "model.pkl").unlink()
    os.mkfifo(root / "model.pkl")


def become_a_directory(root: Path) -> None:
    (root / "model.pkl").unlink()
    (root / "model.pkl").mkdir()
    (root / "model.pkl" / "model.pkl").write_bytes(b"x")


def set_mode(bit: int) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / "model.pkl"
        replace(path, path.read_bytes())
        path.chmod(0o644 | bit)

    return change


@pytest.mark.parametrize(
    "change",
    [
        grow,
        shrink,
        empty,
        link_to_another,
        become_a_pipe,
        become_a_directory,
        *(set_mode(bit) for bit in (stat.S_ISUID, stat.S_ISGID, stat.S_IXUSR, stat.S_IWOTH)),
    ],
)
def test_changed_model_is_refused(project: VerifiedProject, change: Callable[[Path], None]) -> None:
    change(project.root)
    assert not project.verify().passed


def add_file(name: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / "net" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")

    return change


def remove_file(root: Path) -> None:
    (root / "net" / "b.txt").unlink()


def rename_file(root: Path) -> None:
    (root / "net" / "b.txt").rename(root / "net" / "c.txt")


def exchange_files(root: Path) -> None:
    one, other = root / "net" / "b.txt", root / "net" / "deep" / "a.pkl"
    first, second = one.read_bytes(), other.read_bytes()
    replace(one, second)
    replace(other, first)


def add_empty_directory(root: Path) -> None:
    (root / "net" / "empty").mkdir()


def add_link(root: Path) -> None:
    (root / "net" / "link").symlink_to("b.txt")


def become_its_listing(root: Path) -> None:
    """A file with the text of the listing has the digits of the directory's digest."""
    text = listing(root)
    shutil.rmtree(root / "net")
    (root / "net").write_bytes(text)


def listing(root: Path) -> bytes:
    import hashlib

    files = sorted(one for one in (root / "net").rglob("*") if one.is_file())
    lines = [
        f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.relative_to(root / 'net')}\n"
        for one in sorted(files, key=lambda one: os.fsencode(str(one.relative_to(root / "net"))))
    ]
    return "".join(lines).encode()


@pytest.mark.parametrize(
    "change",
    [
        *(add_file(n) for n in (".git/hooks/x", ".gitattributes", "b", "deep/b.pkl", ".dvcignore")),
        remove_file,
        rename_file,
        exchange_files,
        add_empty_directory,
        add_link,
        become_its_listing,
    ],
)
def test_changed_directory_is_refused(
    project: VerifiedProject, change: Callable[[Path], None]
) -> None:
    change(project.root)
    assert not project.verify("net").passed


def test_text_of_a_listing_is_not_its_directory(project: VerifiedProject) -> None:
    import hashlib

    for name in ("listing.txt", "net.txt", "notes"):
        (project.root / name).write_bytes(listing(project.root))
        assert not project.verify(name).passed
    digits = hashlib.sha256(listing(project.root)).hexdigest()
    assert not project.verify(f"sha256:{digits}").passed
    assert "provenance passed" in project.verify(f"dirHash:{digits}").said
    digest = identify({"dirHash": digits})
    assert digest != digits


def test_digest_is_never_the_name_of_a_file(project: VerifiedProject) -> None:
    model = (project.root / "model.pkl").read_bytes()
    unknown = "ab" * 32
    (project.root / f"sha256:{unknown}").write_bytes(model)
    (project.root / unknown).write_bytes(model)
    from ml_assets.project.project import Project
    from ml_assets.proof.subject import resolve_subject
    from resources.errors import ConfigurationError

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        found = resolve_subject(Project(project.root), f"sha256:{unknown}")
        assert dict(found.subject.digest) == {"sha256": unknown}
        assert found.tree is None
        with pytest.raises(ConfigurationError, match="name of a digest"):
            resolve_subject(Project(project.root), unknown)


# --- what is a model


def drop_signatures(project: VerifiedProject) -> None:
    for path in project.files_about(SIGNATURE):
        path.unlink()


def undeclare(project: VerifiedProject) -> None:
    text = (project.root / "dvc.yaml").read_text()
    assert "type: model" in text
    (project.root / "dvc.yaml").write_text(text.replace("type: model", "type: dataset"))


@pytest.mark.parametrize("place", ["net", "elsewhere", "deep/er/data"])
@pytest.mark.parametrize("undeclared", [False, True])
def test_model_without_its_signature_stays_a_model(
    project: VerifiedProject, place: str, undeclared: bool
) -> None:
    drop_signatures(project)
    if undeclared:
        undeclare(project)
    if place != "net":
        shutil.copytree(project.root / "net", project.root / place)
    answer = project.verify(place)
    assert not answer.passed
    assert "signature failed" in answer.said


def test_graph_of_the_protected_branch_says_what_is_a_model(project: VerifiedProject) -> None:
    """Also where all results and bills about the model are gone."""
    drop_signatures(project)
    for kind in ("gate-result", "cyclonedx"):
        for path in project.files_about(kind, "net"):
            path.unlink()
    undeclare(project)
    assert "signature failed" in project.verify("net").said


# --- the ledger and its index


def unfavourable(project: VerifiedProject) -> Path:
    """Add a newer decision that names no results; return its file."""
    from tests.integration.tampering.verified_project import read_payload

    (path,) = project.files_about(DECISION, "model.pkl")
    body = read_payload(path.read_bytes())
    at = datetime.datetime.fromisoformat(body["predicate"]["timeVerified"])
    later = at + datetime.timedelta(minutes=5)
    body["predicate"]["timeVerified"] = later.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    body["predicate"]["inputAttestations"] = []
    body["predicate"]["verificationResult"] = "FAILED"
    newest = project.add(project.sign(body).content)
    assert not project.verify().passed
    return newest


def hide_rows(project: VerifiedProject, query: str) -> None:
    with closing(sqlite3.connect(project.index)) as database, database:
        database.executescript(query)


NEWEST = "(SELECT id FROM statements WHERE digest = '{digest}')"


@pytest.mark.parametrize(
    "query",
    [
        f"UPDATE statements SET predicate_type = 'x' WHERE id = {NEWEST}",
        f"UPDATE statements SET digest = '{'0' * 64}' WHERE id = {NEWEST}",
        f"UPDATE statements SET time = '2000-01-01T00:00:00.000000Z' WHERE id = {NEWEST}",
        f"DELETE FROM subjects WHERE statement = {NEWEST}",
        f"UPDATE OR REPLACE subjects SET digest = 'x' WHERE statement = {NEWEST}",
        f"DELETE FROM statements WHERE id = {NEWEST}",
        f"UPDATE statements SET id = id + 1000 WHERE id = {NEWEST}",
        f"UPDATE statements SET predicate_type = CAST('x' AS BLOB) WHERE id = {NEWEST}",
        "DELETE FROM subjects",
        "UPDATE statements SET seal = zeroblob(32)",
        "DROP TABLE subjects; CREATE VIEW subjects AS SELECT '' AS digest, 0 AS statement",
        "CREATE TRIGGER hide AFTER INSERT ON subjects BEGIN DELETE FROM subjects; END",
    ],
)
def test_changed_index_hides_no_decision(project: VerifiedProject, query: str) -> None:
    newest = unfavourable(project)
    hide_rows(project, query.format(digest=newest.parent.name + newest.stem))
    assert not project.verify().passed


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 900])
def test_damaged_index_hides_no_decision(project: VerifiedProject, content: bytes) -> None:
    unfavourable(project)
    for suffix in ("-wal", "-shm"):
        project.index.with_name(project.index.name + suffix).unlink(missing_ok=True)
    project.index.write_bytes(content)
    assert not project.verify().passed


@pytest.mark.parametrize("flag", ["missing", "0", "1"])
def test_deleted_newest_decision_revives_no_older_one(project: VerifiedProject, flag: str) -> None:
    newest = unfavourable(project)
    content = newest.read_bytes()
    newest.unlink()
    for _ in range(2):  # the first command after the deletion must not forget it
        hide_rows(project, f"UPDATE statements SET missing = {flag}")
        answer = project.verify()
        assert not answer.passed and "missing from the ledger" in answer.said, answer.said
    project.add(content)
    answer = project.verify()
    assert not answer.passed and "missing from the ledger" not in answer.said, answer.said


def test_decision_after_a_deleted_one_counts(project: VerifiedProject) -> None:
    """The way out: decide again."""
    unfavourable(project).unlink()
    again(project, datetime.timedelta(minutes=9))
    answer = project.verify()
    assert answer.passed, answer.said


def test_deleted_older_decision_blocks_no_one(project: VerifiedProject) -> None:
    (old,) = project.files_about(DECISION, "model.pkl")
    again(project, datetime.timedelta(minutes=1))
    assert project.verify().passed
    old.unlink()
    answer = project.verify()
    assert answer.passed, answer.said


def test_machine_that_has_not_seen_a_deleted_decision_uses_an_older_one(
    project: VerifiedProject,
) -> None:
    """The threat model says so: a new clone, or one whose index was deleted as well."""
    unfavourable(project).unlink()
    for suffix in ("", "-wal", "-shm"):
        project.index.with_name(project.index.name + suffix).unlink(missing_ok=True)
    assert project.verify().passed


def again(project: VerifiedProject, later: datetime.timedelta) -> None:
    """Add the oldest decision once more, as if it were newer."""
    from tests.integration.tampering.verified_project import read_payload

    path = min(project.files_about(DECISION, "model.pkl"), key=lambda one: one.stat().st_mtime)
    body = read_payload(path.read_bytes())
    at = datetime.datetime.fromisoformat(body["predicate"]["timeVerified"]) + later
    body["predicate"]["timeVerified"] = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    project.add(project.sign(body).content)


@pytest.mark.parametrize("forget", [False, True])
@pytest.mark.parametrize(
    "damage", ["empty", "truncated", "garbage", "directory", "link", "stranger"]
)
def test_damaged_newest_decision_revives_no_older_one(
    project: VerifiedProject, damage: str, forget: bool
) -> None:
    newest = unfavourable(project)
    content = newest.read_bytes()
    newest.unlink()
    if damage == "directory":
        newest.mkdir()
    elif damage == "link":
        newest.symlink_to("/dev/null")
    elif damage == "stranger":
        project.add(make_signer().sign(parse_bundle(content).envelope.payload).content)
    else:
        bad = {"empty": b"", "truncated": content[:-30], "garbage": b"\xff" * 99}[damage]
        newest.write_bytes(bad)
    if forget:
        project.index.unlink()
    assert not project.verify().passed


# --- trust, policy, clock


def trust_stranger(project: VerifiedProject, place: str) -> None:
    """List another key in a place, and sign everything about a changed model with it."""
    stranger = make_signer()
    directory = project.root / place
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "stranger.pem").write_bytes(stranger.public_key.pem)
    (directory / "trust.toml").write_text(STRANGER)
    for path, _ in list(project.statements()):
        bundle = stranger.sign(parse_bundle(path.read_bytes()).envelope.payload)
        path.unlink()
        project.add(bundle.content)


@pytest.mark.parametrize("place", [".ml-assets/trust", ".ml-assets/trust/more", "trust"])
@pytest.mark.parametrize("committed", [False, True])
def test_key_outside_of_the_protected_list_does_not_count(
    project: VerifiedProject, place: str, committed: bool
) -> None:
    if committed:  # on a branch under review
        project.repository.git("checkout", "--quiet", "-b", "feature")
    trust_stranger(project, place)
    if committed:
        project.repository.commit("trust a stranger")
    assert not project.verify().passed


def test_key_file_in_a_subfolder_replaces_no_listed_key(project: VerifiedProject) -> None:
    """Even on the protected branch, where only the list counts."""
    stranger = make_signer()
    (listed,) = (project.root / ".ml-assets" / "trust").glob("*.pem")
    more = listed.parent / "zz"
    more.mkdir()
    (more / listed.name).write_bytes(stranger.public_key.pem)
    project.repository.commit("a subfolder")
    assert project.verify().passed
    for path, _ in list(project.statements()):
        bundle = stranger.sign(parse_bundle(path.read_bytes()).envelope.payload)
        path.unlink()
        project.add(bundle.content)
    assert not project.verify().passed


def test_policy_of_the_working_tree_lets_nothing_pass(project: VerifiedProject) -> None:
    unfavourable(project)
    (project.root / ".ml-assets" / "policy.toml").write_text(OFF)
    assert not project.verify().passed


@pytest.mark.parametrize("days", [1, 300, 9000])
def test_clock_that_was_set_back_is_refused(project: VerifiedProject, days: int) -> None:
    now = datetime.datetime.now().astimezone()
    answer = project.verify(now=now - datetime.timedelta(days))
    assert not answer.passed
    assert "the clock is behind" in answer.said


# --- Git


def test_model_of_another_project_is_refused(project: VerifiedProject, tmp_path: Path) -> None:
    """The same user, the same key, all statements and files; but another repository."""
    project.repository.git("checkout", "--quiet", "--orphan", "other")
    project.repository.git("commit", "--quiet", "--message", "another project")
    project.repository.git("branch", "--quiet", "--force", "main", "other")
    (project.root / ".ml-assets" / "state" / "repository.json").unlink()
    answer = project.verify()
    assert not answer.passed
    assert "made in another project" in answer.said


def test_commit_that_the_repository_does_not_have_is_refused(project: VerifiedProject) -> None:
    """A declared name is the same in both repositories, and Git is asked for the commit."""
    project.repository.write("ml-assets.toml", '[signing]\nproject = "acme/model"\n')
    project.repository.git("checkout", "--quiet", "--orphan", "other")
    project.repository.commit("another history")
    project.repository.git("branch", "--quiet", "--force", "main", "other")
    project.repository.git("reflog", "expire", "--expire=now", "--all")
    project.repository.git("branch", "--quiet", "--list")
    project.repository.git("gc", "--quiet", "--prune=now")
    (project.root / ".ml-assets" / "state" / "repository.json").unlink()
    from security.statements.provenance import PREDICATE
    from tests.integration.tampering.verified_project import read_payload

    for path in project.files_about(PREDICATE) + project.files_about(DECISION):
        body = read_payload(path.read_bytes())
        inner = body["predicate"]
        if PREDICATE in body["predicateType"]:
            inner = inner["buildDefinition"]["internalParameters"]
        inner["project"] = ["acme/model"]
        path.unlink()
        project.add(project.sign(body).content)
    answer = project.verify()
    assert not answer.passed
    assert "commit failed: not in this repository" in answer.said


def test_fork_with_a_declared_name_is_another_project(project: VerifiedProject) -> None:
    project.repository.write("ml-assets.toml", '[signing]\nproject = "fork"\n')
    project.repository.commit("a name")
    assert "made in another project" in project.verify().said


# --- harmless changes


def touch_everything(project: VerifiedProject) -> None:
    for path in project.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and ".git" not in path.parts:
            os.utime(path, (1, 1))


def add_unrelated_files(project: VerifiedProject) -> None:
    for place in ("notes.md", "src/new.py", ".ml-assets/notes", ".ml-assets/state/x", "data/raw"):
        path = project.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    for place in ("README", "ab/README", "ab/.part", "xyz/1", "0/1.json"):
        path = project.ledger / place
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")


def forget_index(project: VerifiedProject) -> None:
    for path in project.index.parent.glob("statements.sqlite*"):
        path.unlink()


def forget_state(project: VerifiedProject) -> None:
    for path in (project.root / ".ml-assets" / "state").iterdir():
        if path.name != "ledger":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def rewrite_index(project: VerifiedProject) -> None:
    hide_rows(project, "VACUUM; REINDEX; ANALYZE;")


def break_index(project: VerifiedProject) -> None:
    hide_rows(project, "DELETE FROM subjects; UPDATE statements SET predicate_type = 'x'")


def rewrite_bundles(project: VerifiedProject) -> None:
    for kind in (SIGNATURE, DECISION, "provenance"):
        for path in project.files_about(kind):
            document = json.loads(path.read_bytes())
            path.unlink()
            project.add(json.dumps(document, indent=1, sort_keys=True).encode())


def commit_more(project: VerifiedProject) -> None:
    project.repository.write("notes.md", "more")
    project.repository.commit("more")


def work_on_a_branch(project: VerifiedProject) -> None:
    project.repository.git("checkout", "--quiet", "-b", "feature")
    commit_more(project)


def amend(project: VerifiedProject) -> None:
    project.repository.git("commit", "--quiet", "--amend", "--message", "another message")


def pack(project: VerifiedProject) -> None:
    project.repository.git("gc", "--quiet")


def add_statement_of_a_stranger(project: VerifiedProject) -> None:
    body = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "x", "digest": {"sha256": "0" * 64}}],
        "predicateType": "https://example.com/other",
        "predicate": {},
    }
    project.add(make_signer().sign(json.dumps(body).encode()).content)


def copy_over_itself(project: VerifiedProject) -> None:
    path = project.root / "model.pkl"
    replace(path, path.read_bytes())


def reformat_graph(project: VerifiedProject) -> None:
    import yaml

    path = project.root / "dvc.yaml"
    path.write_text("# a comment\n" + yaml.safe_dump(yaml.safe_load(path.read_text()), indent=4))


def reformat_lock(project: VerifiedProject) -> None:
    path = project.root / "dvc.lock"
    path.write_text("# a comment\n" + path.read_text())


def publish_trust_again(project: VerifiedProject) -> None:
    (path,) = (project.root / ".ml-assets" / "trust").glob("trust.toml")
    path.write_text("# a comment\n" + path.read_text())
    project.repository.commit("a comment")


HARMLESS_CHANGES = [
    touch_everything,
    add_unrelated_files,
    forget_index,
    forget_state,
    rewrite_index,
    break_index,
    rewrite_bundles,
    commit_more,
    work_on_a_branch,
    amend,
    pack,
    add_statement_of_a_stranger,
    copy_over_itself,
    reformat_graph,
    reformat_lock,
    publish_trust_again,
]


@pytest.mark.parametrize("change", HARMLESS_CHANGES)
def test_harmless_change_is_accepted(
    project: VerifiedProject, change: Callable[[VerifiedProject], None]
) -> None:
    change(project)
    for subject in MODELS:
        answer = project.verify(subject)
        assert answer.passed, answer.said


def test_clone_with_a_copy_of_the_ledger_verifies(project: VerifiedProject, tmp_path: Path) -> None:
    """Also without the working tree's state, from another address, at another path."""
    from tests.integration.contract.repository import Repository

    repository = project.repository
    clone = Repository(tmp_path / "clone", repository.tools)
    clone.root.rmdir()
    repository.git("clone", "--quiet", str(repository.root), str(clone.root))
    shutil.copytree(project.ledger, clone.project / ".ml-assets" / "state" / "ledger")
    for name in MODELS:
        source = project.root / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, clone.project / name)
    assert VerifiedProject(clone).verify().passed
