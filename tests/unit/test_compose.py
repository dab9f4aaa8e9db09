"""The compose file: no way to a web server past the sign-in, and no secret in it."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
PROXIES = ("operators-proxy", "viewers-proxy")


def test_only_the_proxies_publish_ports() -> None:
    published = {name for name, one in SERVICES.items() if one.get("ports")}
    assert published == {"operators-proxy"}
    assert SERVICES["operators-proxy"]["ports"] == ["4180:4180", "4181:4181"]


def test_all_others_are_in_the_network_of_the_proxies_and_in_no_other() -> None:
    for name, one in SERVICES.items():
        assert "networks" not in one
        assert one.get("network_mode") == (
            None if name == "operators-proxy" else "service:operators-proxy"
        )


def test_each_proxy_lets_one_group_in_to_one_server() -> None:
    servers = {"operators-proxy": "3000", "viewers-proxy": "3001"}
    for name in PROXIES:
        environment = SERVICES[name]["environment"]
        assert environment["OAUTH2_PROXY_UPSTREAMS"] == f"http://127.0.0.1:{servers[name]}"
        assert environment["OAUTH2_PROXY_ALLOWED_GROUPS"].startswith("${")
        assert not any("SKIP_AUTH" in key for key in environment)
    cookies = {SERVICES[name]["environment"]["OAUTH2_PROXY_COOKIE_NAME"] for name in PROXIES}
    assert len(cookies) == 2


def test_viewers_server_is_read_only_and_the_other_is_not() -> None:
    assert "--read-only" in SERVICES["viewers"]["command"]
    assert "--read-only" not in SERVICES["operators"]["command"]
    assert "key-passphrase" not in SERVICES["viewers"]["secrets"]


def test_servers_answer_at_the_addresses_of_their_proxies_and_operators_have_a_token() -> None:
    for name, address in (("operators", "${OPERATORS_URL}"), ("viewers", "${VIEWERS_URL}")):
        command = SERVICES[name]["command"]
        assert command[command.index("--origin") + 1] == address
    assert "ui-token" in SERVICES["operators"]["secrets"]
    assert "ui-token" not in SERVICES["viewers"]["secrets"]
    assert "ML_ASSETS_UI_TOKEN" in (ROOT / "deploy" / "start.sh").read_text("utf-8")


def test_no_secret_and_no_host_of_images_is_written_down() -> None:
    names = re.findall(
        r"^\s+(OAUTH2_PROXY_\w*SECRET\w*|\w*PASSWORD\w*|\w*TOKEN\w*): (.*)$", TEXT, re.M
    )
    assert [(key, value) for key, value in names if value.strip('"') != "false"] == []
    images = {one["image"] for one in SERVICES.values()}
    assert images == {
        "${OAUTH2_PROXY_IMAGE:?name the image of oauth2-proxy in .env}",
        "ml-assets:local",
    }


def test_secrets_beside_it_are_neither_committed_nor_in_the_image() -> None:
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    files = {entry["file"] for entry in yaml.safe_load(TEXT)["secrets"].values()}
    files |= {name for proxy in PROXIES for name in SERVICES[proxy]["env_file"]} | {".env"}
    for name in files:
        assert {f"/deploy/{name}", f"/deploy/{name.split('/')[0]}/"} & set(ignored), name
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    lines = re.findall(r"^COPY (.*)$", dockerfile, re.M)
    copied = [one for line in lines for one in line.split()[:-1]]
    assert not [one for one in copied if one.startswith((".", "*", "/"))]
    assert [one for one in copied if one.startswith("deploy")] == ["deploy/start.sh"]


def test_containers_have_no_rights_that_they_do_not_need() -> None:
    for one in SERVICES.values():
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
