"""Remotes that a branch chooses: the user's credentials go only where the protected branch says."""

from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import pytest

from ml_assets.project.project import Project
from ml_assets.project.remotes import describe_ignored
from resources.dvc.cache.object_cache import ObjectCache
from resources.dvc.cache.remote import Remote, open_here
from resources.dvc.configuration.repository import Repository
from resources.errors import ConfigurationError, ResourceError, UnavailableError
from resources.stores.digest_store import DigestStore
from tests.unit.resources.dvc.configuration.stranger import PASSWORD, USER, listen
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

CONFIG, LOCAL = ".dvc/config", ".dvc/config.local"
CLOSED = "http://127.0.0.1:9/data"
DATA = b"1,2\n3,4\n"
ID = md5(DATA, usedforsecurity=False).hexdigest()


def remote(name: str = "r", **values: str) -> str:
    lines = "".join(f"    {key} = {value}\n" for key, value in values.items())
    return f"['remote \"{name}\"']\n{lines}"


def default(name: str = "r") -> str:
    return f"[core]\n    remote = {name}\n"


MAIN = default() + remote(url=CLOSED, auth="basic", user=USER)
SECRET = remote(password=PASSWORD)


@pytest.fixture
def feature(project: DvcProject) -> DvcProject:
    """A branch of a project whose remote has a password, which the user has configured."""
    return branch_off(project, MAIN, SECRET)


def branch_off(project: DvcProject, main: str, local: str) -> DvcProject:
    project.write(CONFIG, main)
    project.commit()
    project.git("checkout", "--quiet", "-B", "feature")
    project.write("code.py", "pass\n")
    project.write(LOCAL, local)
    project.commit()
    return project


def fetch(project: DvcProject) -> bytes:
    """Fetch an object as ``run --pull`` does."""
    at = Project(project.root)
    directory = project.root / ".dvc" / "cache"
    cache = ObjectCache(directory, DigestStore(project.root / "digests"))
    Remote(cache, open_here(at.root, at.remotes)(None)).fetch([ID])
    return Path(cache.path(ID)).read_bytes()


def settings(project: DvcProject, name: str = "r") -> dict[str, object]:
    at = Project(project.root)
    with Repository(at.root, at.remotes) as repository:
        return dict(repository.config["remote"][name])


def store_at(directory: Path) -> Path:
    file = directory / "files" / "md5" / ID[:2] / ID[2:]
    file.parent.mkdir(parents=True)
    file.write_bytes(DATA)
    return directory


def move_the_address(project: DvcProject, url: str) -> None:
    project.write(CONFIG, default() + remote(url=f"{url}/data", auth="basic", user=USER))


def name_a_header(project: DvcProject, url: str) -> None:
    changed = remote(url=url, auth="custom", custom_auth_header="X-Key")
    project.write(CONFIG, default() + changed)


def refer_to_another(project: DvcProject, url: str) -> None:
    chain = remote(url="remote://base/data", auth="basic", user=USER)
    project.write(CONFIG, default() + remote("base", url=url) + chain)


def write_in_capitals(project: DvcProject, url: str) -> None:
    project.write(CONFIG, MAIN + f"['REMOTE \"R\"']\n    URL = {url}\n")


def track_the_local_file(project: DvcProject, url: str) -> None:
    project.write(LOCAL, remote(url=url, password=PASSWORD))
    project.git("add", "--force", LOCAL)


def link_the_local_file(project: DvcProject, url: str) -> None:
    project.write("settings", remote(url=url, password=PASSWORD))
    (project.root / LOCAL).unlink()
    (project.root / LOCAL).symlink_to("../settings")
    project.git("add", "--force", LOCAL)


def choose_a_new_default(project: DvcProject, url: str) -> None:
    project.write(CONFIG, default("mine") + remote("mine", url=url, auth="basic", user=USER))
    project.write(LOCAL, remote("mine", password=PASSWORD))


def leave_the_history(project: DvcProject, url: str) -> None:
    project.write(CONFIG, default() + remote(url=url, auth="basic", user=USER))
    project.git("checkout", "--quiet", "--orphan", "other")
    project.git("commit", "--quiet", "--message", "without history")


REDIRECTIONS = [
    move_the_address,
    name_a_header,
    refer_to_another,
    write_in_capitals,
    track_the_local_file,
    link_the_local_file,
    choose_a_new_default,
    leave_the_history,
]


@pytest.mark.parametrize("redirect", REDIRECTIONS)
def test_password_does_not_go_where_a_branch_says(
    feature: DvcProject, redirect: Callable[[DvcProject, str], None]
) -> None:
    with listen() as stranger:
        redirect(feature, stranger.url)
        feature.commit()
        with pytest.raises(ResourceError):
            fetch(feature)
        assert stranger.got == []


def test_address_of_a_branch_that_is_not_committed_does_not_count(feature: DvcProject) -> None:
    with listen() as stranger:
        move_the_address(feature, stranger.url)
        with pytest.raises(UnavailableError):
            fetch(feature)
        assert stranger.got == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "s3://theirs/data"),
        ("endpointurl", "https://theirs.example"),
        ("configpath", "aws.cfg"),
        ("credentialpath", "/tmp/aws"),
        ("profile", "admin"),
        ("ssl_verify", "false"),
        ("keyfile", "id"),
        ("version_aware", "true"),
    ],
)
def test_no_setting_of_a_remote_is_the_branchs(project: DvcProject, key: str, value: str) -> None:
    main = {"url": "s3://ours/data", "region": "eu-west-1"}
    branch_off(project, default() + remote(**main), remote(access_key_id="me"))
    project.write(CONFIG, default() + remote(**{**main, key: value}))
    project.commit()
    found = settings(project)
    assert {key: found[key] for key in (*main, "access_key_id")} == {**main, "access_key_id": "me"}
    assert key in main or key not in found


def test_directories_and_services_are_not_the_branchs(feature: DvcProject) -> None:
    feature.write(
        CONFIG,
        "[core]\n    remote = r\n    site_cache_dir = /tmp/theirs\n    autostage = true\n"
        "[cache]\n    dir = /tmp/theirs\n    shared = group\n    type = copy\n"
        "[hydra]\n    plugins_path = theirs\n[studio]\n    url = https://theirs.example\n"
        "['db \"d\"']\n    url = sqlite://theirs\n",
    )
    feature.commit()
    at = Project(feature.root)
    with Repository(at.root, at.remotes) as repository:
        found = repository.config
        assert "site_cache_dir" not in found["core"]
        assert found["core"]["autostage"] is True
        assert found["cache"]["type"] == ["copy"]
        assert "dir" not in found["cache"] and "shared" not in found["cache"]
        assert "plugins_path" not in found["hydra"]
        assert found["studio"].get("url") is None and found["db"] == {}
    (said,) = describe_ignored(at.root, at.remotes)
    assert "core.site_cache_dir" in said and "cache.dir" in said and "autostage" not in said


@pytest.mark.parametrize("how", ["changed", "new", "link", "beside"])
def test_credential_file_of_a_branch_is_refused(project: DvcProject, how: str) -> None:
    project.write("aws.cfg", "[default]\nregion = eu-west-1\n")
    named = "../new.cfg" if how == "new" else "../aws.cfg"
    branch_off(project, default() + remote(url="s3://ours/data", configpath=named), "")
    assert how == "new" or settings(project)["configpath"]
    attack = "[default]\ncredential_process = touch stolen\n"
    if how == "link":
        (project.root / "aws.cfg").unlink()
        (project.root / "aws.cfg").symlink_to("theirs.cfg")
    project.write(
        "new.cfg" if how == "new" else "theirs.cfg" if how == "link" else "aws.cfg", attack
    )
    if how != "beside":
        project.commit()
    with pytest.raises(ConfigurationError, match="file of this branch") as refused:
        fetch(project)
    assert "dvc config --local remote.r.configpath PATH" in refused.value.hint


def test_script_of_a_branch_that_prints_a_token_is_refused(project: DvcProject) -> None:
    project.write("token.sh", "echo 1\n", executable=True)
    script = project.root / "token.sh"
    main = remote(url="webdavs://ours.example/data", bearer_token_command=f"sh {script}")
    branch_off(project, default() + main, "")
    assert settings(project)
    project.write("token.sh", "touch stolen\n", executable=True)
    project.commit()
    with pytest.raises(ConfigurationError, match="file of this branch"):
        settings(project)


def test_credential_file_of_the_user_is_used(project: DvcProject, tmp_path: Path) -> None:
    file = tmp_path / "aws.cfg"
    file.write_text("[default]\n")
    main = default() + remote(url="s3://ours/data")
    branch_off(project, main, remote(configpath=str(file)))
    assert settings(project)["configpath"] == str(file)


def test_remote_of_a_branch_is_used_as_soon_as_the_user_names_its_address(
    project: DvcProject,
) -> None:
    branch_off(project, "", "")
    project.write(CONFIG, default("new") + remote("new", url="s3://new/data"))
    project.commit()
    with pytest.raises(ConfigurationError, match="remote not in main at .*: new") as refused:
        fetch(project)
    assert "dvc config --local remote.new.url URL" in refused.value.hint
    project.write(LOCAL, remote("new", url="s3://new/data"))
    assert settings(project, "new")["url"] == "s3://new/data"


def test_directory_of_a_branch_is_a_remote(project: DvcProject, tmp_path: Path) -> None:
    branch_off(project, "", "")
    store = store_at(tmp_path / "store")
    project.write(CONFIG, default("near") + remote("near", url=str(store)))
    project.commit()
    assert fetch(project) == DATA


def test_branch_that_is_older_than_the_remote_uses_it(project: DvcProject, tmp_path: Path) -> None:
    branch_off(project, "", "")
    project.git("checkout", "--quiet", "main")
    project.write(CONFIG, default() + remote(url=str(store_at(tmp_path / "store"))))
    project.commit()
    project.git("checkout", "--quiet", "feature")
    at = Project(project.root)
    assert describe_ignored(at.root, at.remotes) == []
    assert fetch(project) == DATA


def test_protected_branch_itself_and_a_project_without_one_are_as_with_dvc(
    project: DvcProject,
) -> None:
    project.write(CONFIG, MAIN)
    project.commit()
    project.write(CONFIG, MAIN.replace(CLOSED, "http://new.example/data"))
    assert Project(project.root).remotes is None
    assert settings(project)["url"] == "http://new.example/data"
    project.commit()
    project.git("branch", "--move", "main", "anything")
    assert Project(project.root).remotes is None


def test_clone_without_the_protected_branch_uses_the_users_remotes_only(
    feature: DvcProject,
) -> None:
    feature.git("remote", "add", "origin", "https://git.example/x.git")
    feature.git("branch", "--quiet", "-D", "main")
    with pytest.raises(ConfigurationError, match="not in this clone"):
        fetch(feature)
    feature.write(LOCAL, remote(url=CLOSED, auth="basic", user=USER, password=PASSWORD))
    assert settings(feature)["password"] == PASSWORD


def test_settings_for_a_commit_are_those_of_the_protected_branch_too(feature: DvcProject) -> None:
    move_the_address(feature, "http://theirs.example")
    commit = feature.commit()
    feature.git("checkout", "--quiet", "main")
    at = Project(feature.root)
    view = at.view_commit(commit)
    assert view.manifest.layout.remote
    with Repository(at.root, at._find_remotes(commit), rev=commit) as repository:
        assert repository.config["remote"]["r"]["url"] == CLOSED
