"""Credentials in the files of tools: none is overlooked, and no placeholder is one."""

from __future__ import annotations

import base64

import pytest

from security.gates.secrets.detectors import Detectors
from security.gates.secrets.false_positives import find_false_positive
from security.gates.secrets.readable_text import read_text
from tests.unit.security.gates.secrets.secret_samples import RANDOM, WORD

TOKEN = "tok" + "Ab3dE6gH9jK2mN5pQ8sT1v"
LOGIN = base64.b64encode(f"user:{RANDOM}".encode()).decode()
SIMPLE = base64.b64encode(b"user:" + b"pass").decode()
DOCKER = f'{{"auths": {{"r": {{"auth": "{LOGIN}"}}}}}}'
WRAPPED = base64.b64encode(DOCKER.encode()).decode()
DETECTORS = Detectors({})


def kinds(path: str, text: str) -> set[str]:
    return {
        hit.type
        for view in read_text(path, text.encode()).views
        for hit in DETECTORS.search(path, view)
        if find_false_positive(hit) is None
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".netrc", f"machine api.example login user {WORD} {RANDOM}\n"),
        ("_netrc", f"machine x\n  login u\n  {WORD} {RANDOM}\n"),
        ("home/.netrc", f"default login u {WORD} {RANDOM}\n"),
        ("docker/netrc.txt", f"machine x login u\n{WORD} hunter-2-hunter\n"),
        ("setup.sh", f"echo 'machine x login u {WORD} {RANDOM}' >> ~/.netrc\n"),
        ("Dockerfile", f'RUN echo "machine x login u {WORD} {RANDOM}" > /root/.netrc\n'),
        (".docker/config.json", DOCKER),
        ("config.json", f'{{\n"auths": {{\n"ghcr.io": {{\n"auth": "{SIMPLE}"\n}}}}}}'),
        (".dockercfg", f'{{"https://r.example": {{"auth": "{SIMPLE}", "email": "a@b"}}}}'),
        ("d.json", f'{{"auths": {{"r": {{"identitytoken": "{TOKEN}"}}}}}}'),
        ("k8s.yaml", f"data:\n  .dockerconfigjson: {WRAPPED}\n"),
        (".pypirc", f"[pypi]\nusername = __token__\n{WORD} = {RANDOM}\n"),
        (".npmrc", f"//registry.example/:_authToken={TOKEN}\n"),
        (".npmrc", f"_auth={SIMPLE}\n"),
        ("web/.npmrc", f"//r/:_{WORD}={SIMPLE}\n"),
        (".yarnrc.yml", f"npmAuthToken: {TOKEN}\n"),
        ("pip.conf", f"[global]\nindex-url = https://user:{RANDOM}@pypi.example/simple\n"),
        (".config/pip/pip.conf", f"extra-index-url = https://{TOKEN}@pypi.example/simple\n"),
        ("requirements.txt", f"--extra-index-url https://{TOKEN}@pypi.example/simple\n"),
        (".condarc", f"channels:\n - https://conda.example/t/{TOKEN}/main\n"),
        (".kube/config", f"client-key-data: {SIMPLE * 5}\n"),
        ("deploy/kubeconfig", f"users:\n- user:\n    token: {TOKEN}\n"),
        ("kube_config.yaml", f"users:\n- user: {{username: a, {WORD}: hunter-2-hunter}}\n"),
        (".pgpass", f"db.example:5432:flights:admin:{RANDOM}\n"),
        ("rclone.conf", f"[r]\npass = {RANDOM}\n"),
        (".databrickscfg", f"[DEFAULT]\ntoken = {TOKEN}\n"),
        (".git-credentials", f"https://user:{RANDOM}@git.example\n"),
        ("curl.sh", f"curl -H 'Authorization: Basic {SIMPLE}' https://x.example\n"),
        (".cargo/credentials.toml", f'[registry]\ntoken = "{TOKEN}"\n'),
    ],
)
def test_credential_is_found_in_the_format_of_its_tool(path: str, text: str) -> None:
    assert kinds(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".netrc", "machine x login u password $TOKEN\n"),
        ("README.md", f"    machine api.example login user {WORD} YOUR_API_KEY\n"),
        ("README.md", f"    machine api.example login user {WORD} <your token>\n"),
        ("README.md", "Basic authentication of the machine is the default login method\n"),
        (".npmrc", "//registry.example/:_authToken=${NPM_TOKEN}\nsave-exact=true\n"),
        (".npmrc", "registry=https://registry.example/\n"),
        (".yarnrc.yml", "nodeLinker: node-modules\n"),
        (".docker/config.json", '{"auths": {"r": {}}, "credsStore": "desktop"}'),
        ("config.json", '{"auth": "oauth2", "auth_type": "basic"}'),
        ("conf.yaml", "auth: serviceaccount\nbasic: configuration\n"),
        ("pip.conf", "[global]\nindex-url = https://pypi.example/simple\n"),
        (".gitmodules", "url = https://some-organization@dev.azure.com/o/p\n"),
        ("kubeconfig.yaml", "users:\n- user:\n    exec: {command: aws}\n"),
        ("environment.yml", "channels:\n  - https://conda.example/t/short/main\n"),
        ("src/kube_config.py", "def connect(token: Optional[str], password: SecretStr): ...\n"),
        ("src/netrc_reader.py", "# the password belongs to the account default\n"),
        ("data/people.csv", "name:1:a:b:c\n"),
        ("train.py", f"machine, login, {WORD} = read()\n"),
    ],
)
def test_placeholder_and_ordinary_text_is_no_credential(path: str, text: str) -> None:
    assert not kinds(path, text)
