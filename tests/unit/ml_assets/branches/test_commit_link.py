"""Web addresses of commits."""

import pytest

from ml_assets.branches.commit_link import commit_url


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (
            "https://git.example.org/team/models.git",
            "https://git.example.org/team/models/commit/c0",
        ),
        ("https://ann:secret@git.example.org/a/b", "https://git.example.org/a/b/commit/c0"),
        ("git@git.example.org:team/models.git", "https://git.example.org/team/models/commit/c0"),
        ("ssh://git@git.example.org/team/m", "https://git.example.org/team/m/commit/c0"),
        ("/srv/git/models.git", None),
        ("file:///srv/git/models.git", None),
        ("https://h/x?y=<script>", None),
        ("javascript:alert(1)", None),
    ],
)
def test_commit_is_linked_where_a_server_shows_it(address: str, url: str | None) -> None:
    assert commit_url(address, "c0") == url
