"""Updates over HTTP from a real server: resumed, compared with checksums, never half done."""

import json
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.advisory_feed.download import Download, Downloaded, Unchanged, fetch
from resources.advisory_feed.errors import ChecksumError, FeedError, HostileFeedError
from resources.advisory_feed.limits import FeedLimits
from resources.advisory_feed.store import AdvisoryStore, Mode, Update, UpdateSummary
from resources.errors import ConfigurationError
from security.content.digest import digest_bytes
from tests.integration.advisory_feed.bulk_server import BulkServer
from tests.osv_records import NOW, affected, many_records, osv_record, write_zip, zip_bytes

CONTENT = random.Random(5).randbytes(300_000)
CLOSED = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BulkServer]:
    """Serve some bytes, past any proxy that the machine may have."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with BulkServer(CONTENT) as running:
        yield running


def download(server: BulkServer, tmp_path: Path, **settings: object) -> Downloaded | Unchanged:
    """Download the bytes."""
    wanted = Download(server.url(), silence=5.0, **settings)  # type: ignore[arg-type]  # by name
    return fetch(wanted, tmp_path / "downloads")


def completed(found: Downloaded | Unchanged) -> bytes:
    """Return the content of a complete download."""
    assert isinstance(found, Downloaded)
    content = found.path.read_bytes()
    assert found.sha256 == digest_bytes(content).sha256
    assert [one.name for one in found.path.parent.iterdir()] == [found.path.name]
    return content


def test_whole_file_arrives_with_its_etag(server: BulkServer, tmp_path: Path) -> None:
    found = download(server, tmp_path)
    assert completed(found) == CONTENT
    assert found.etag == '"one"' and found.path.suffix == ".zip"  # type: ignore[union-attr]


def test_transfer_that_stops_midway_is_resumed_in_the_same_call(
    server: BulkServer, tmp_path: Path
) -> None:
    server.behaviour.cut = [100_000, 150_000]
    assert completed(download(server, tmp_path)) == CONTENT
    assert [one.status for one in server.asked] == [200, 206, 206]
    assert server.asked[1].range == "bytes=100000-" and server.asked[1].if_range == '"one"'
    assert sum(one.sent for one in server.asked) == len(CONTENT)


def test_transfer_that_stops_every_time_goes_on_in_the_next_call(
    server: BulkServer, tmp_path: Path
) -> None:
    server.behaviour.cut = [50_000] * 3
    with pytest.raises(FeedError, match="stopped after 150000 of 300000 bytes") as raised:
        download(server, tmp_path, attempts=3)
    assert "the download resumes" in raised.value.hint
    assert completed(download(server, tmp_path)) == CONTENT
    assert server.asked[-1].range == "bytes=150000-"


def test_file_that_changed_meanwhile_starts_from_zero(server: BulkServer, tmp_path: Path) -> None:
    server.behaviour.cut = [50_000]
    with pytest.raises(FeedError):
        download(server, tmp_path, attempts=1)
    server.behaviour.content = CONTENT[::-1]
    server.behaviour.etag = '"two"'
    assert completed(download(server, tmp_path)) == CONTENT[::-1]
    assert server.asked[-1].status == 200


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_etag_nothing_is_resumed(
    server: BulkServer, tmp_path: Path, etag: str
) -> None:
    server.behaviour.etag = etag
    server.behaviour.cut = [50_000]
    assert completed(download(server, tmp_path)) == CONTENT
    assert [one.range for one in server.asked] == ["", ""]


def test_server_without_ranges_is_asked_for_all_again(server: BulkServer, tmp_path: Path) -> None:
    server.behaviour.ranges = False
    server.behaviour.cut = [50_000]
    assert completed(download(server, tmp_path)) == CONTENT
    assert [one.status for one in server.asked] == [200, 200]


def test_part_from_another_place_is_refused(server: BulkServer, tmp_path: Path) -> None:
    server.behaviour.cut = [50_000]
    server.behaviour.shift = 7
    with pytest.raises(FeedError, match="another part than requested"):
        download(server, tmp_path)


def test_part_longer_than_the_file_starts_from_zero(server: BulkServer, tmp_path: Path) -> None:
    server.behaviour.cut = [50_000]
    with pytest.raises(FeedError):
        download(server, tmp_path, attempts=1)
    (part,) = (tmp_path / "downloads").glob("*.part")
    part.write_bytes(bytes(400_000))
    assert completed(download(server, tmp_path)) == CONTENT
    assert [one.status for one in server.asked] == [200, 416, 200]


def test_part_that_was_tampered_with_is_noticed(server: BulkServer, tmp_path: Path) -> None:
    server.behaviour.cut = [50_000]
    with pytest.raises(FeedError):
        download(server, tmp_path, attempts=1)
    (part,) = (tmp_path / "downloads").glob("*.part")
    part.write_bytes(bytes(50_000))
    with pytest.raises(ChecksumError, match="md5"):
        download(server, tmp_path)
    assert completed(download(server, tmp_path)) == CONTENT


@pytest.mark.parametrize(("header", "named"), [("x-goog-hash", "md5"), ("Repr-Digest", "sha-256")])
def test_checksum_that_the_server_promises_is_compared(
    server: BulkServer, tmp_path: Path, header: str, named: str
) -> None:
    server.behaviour.header = header
    assert completed(download(server, tmp_path)) == CONTENT
    server.behaviour.checksum = "of something else"
    with pytest.raises(ChecksumError, match=named):
        download(server, tmp_path / "other")
    assert not list((tmp_path / "other" / "downloads").iterdir())


def test_checksum_that_is_asked_for_is_compared(server: BulkServer, tmp_path: Path) -> None:
    sha256 = digest_bytes(CONTENT).sha256
    assert completed(download(server, tmp_path, sha256=sha256.upper())) == CONTENT
    with pytest.raises(ChecksumError, match="the requested sha256"):
        download(server, tmp_path / "other", sha256="0" * 64)


def test_unchanged_file_is_not_sent_again(server: BulkServer, tmp_path: Path) -> None:
    assert download(server, tmp_path, known_etag='"one"') == Unchanged('"one"')
    assert completed(download(server, tmp_path, known_etag='"zero"')) == CONTENT


def test_busy_server_is_asked_again_and_a_missing_file_is_not(
    server: BulkServer, tmp_path: Path
) -> None:
    server.behaviour.statuses = [503, 500]
    assert completed(download(server, tmp_path)) == CONTENT
    server.behaviour.statuses = [404, 404]
    with pytest.raises(FeedError, match="status 404"):
        download(server, tmp_path)
    assert len(server.asked) == 4


def test_server_that_nobody_runs_is_told(server: BulkServer, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="cannot download .*refused"):
        fetch(Download(CLOSED + "/all.zip"), tmp_path)


def test_server_that_answers_nonsense_is_told(server: BulkServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"\x00\xffnot http at all\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/all.zip"
        with pytest.raises(FeedError, match="cannot download"):
            fetch(Download(url, attempts=2), tmp_path)
        thread.join()


def test_silent_server_is_given_up(server: BulkServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/all.zip"
        with pytest.raises(FeedError, match="timed out"):
            fetch(Download(url, attempts=2, silence=0.1), tmp_path)


def test_dripping_server_is_given_up_at_the_deadline(server: BulkServer, tmp_path: Path) -> None:
    server.behaviour.drip = 0.02
    with pytest.raises(FeedError, match="incomplete after 0.3 s"):
        download(server, tmp_path, deadline=0.3)


def test_file_beyond_the_limit_is_refused(server: BulkServer, tmp_path: Path) -> None:
    with pytest.raises(HostileFeedError, match="larger than 1000 bytes"):
        download(server, tmp_path, largest=1000)
    assert server.asked[0].status == 200
    server.behaviour.chunked = True  # and it does not say how long it is
    with pytest.raises(HostileFeedError, match="larger than 1000 bytes"):
        download(server, tmp_path / "other", largest=1000)
    assert not list((tmp_path / "other" / "downloads").iterdir())


def test_redirect_is_followed_to_http_and_nowhere_else(server: BulkServer, tmp_path: Path) -> None:
    server.behaviour.location = server.url("/redirected.zip")
    assert completed(download(server, tmp_path)) == CONTENT
    secret = tmp_path / "secret.zip"
    secret.write_text("secret")
    for location in (f"file://{secret}", "ftp://127.0.0.1/x.zip", "data:,x"):
        server.behaviour.location = location
        with pytest.raises(HostileFeedError, match="refused redirect"):
            download(server, tmp_path)
    server.behaviour.location = "http://example.invalid/all.zip"
    with pytest.raises(ConfigurationError, match="plain http address"):
        download(server, tmp_path)


def test_redirect_without_end_ends(server: BulkServer, tmp_path: Path) -> None:
    server.behaviour.location = server.url("/again.zip")
    with pytest.raises(HostileFeedError, match="refused redirect"):
        download(server, tmp_path)
    assert len(server.asked) < 15


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/passwd", "not an http or https address"),
        ("ftp://127.0.0.1/all.zip", "not an http or https address"),
        ("http:///all.zip", "not an http or https address"),
        ("http://example.invalid/all.zip", "plain http address"),
        ("http://127.0.0.1.example.invalid/all.zip", "plain http address"),
        ("https://user:word@example.invalid/all.zip", "password in the address"),
    ],
)
def test_address_that_may_not_be_used_is_refused_unasked(
    tmp_path: Path, url: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fetch(Download(url), tmp_path)


def test_address_with_a_newline_asks_nobody(server: BulkServer, tmp_path: Path) -> None:
    with pytest.raises((ConfigurationError, FeedError)):
        fetch(Download(server.url("/a.zip HTTP/1.1\r\nX-Injected: 1")), tmp_path)
    assert not server.asked


def update(server: BulkServer, store: AdvisoryStore, **settings: object) -> UpdateSummary:
    """Update from the server."""
    wanted = Update([server.url()], **settings)  # type: ignore[arg-type]  # by name
    return store.update(wanted, now=NOW)


def test_update_over_http_installs_resumes_and_knows_what_it_has(
    server: BulkServer, tmp_path: Path
) -> None:
    server.behaviour.content = zip_bytes(many_records(300))
    server.behaviour.cut = [5000]
    store = AdvisoryStore(tmp_path / "store")
    outcome = update(server, store)
    assert outcome.changed and outcome.status.advisories == 300
    assert [one.status for one in server.asked] == [200, 206]
    (source,) = outcome.status.sources
    assert (source.address, source.etag, source.records) == (server.url(), '"one"', 300)
    assert source.sha256 == digest_bytes(server.behaviour.content).sha256
    before = store.path.read_bytes()
    again = update(server, store)
    assert not again.changed and again.status.advisories == 300
    assert server.asked[-1].status == 304 and store.path.read_bytes() == before
    assert not list((store.path.parent / "downloads").iterdir())


def test_unchanged_source_beside_a_changed_one_keeps_its_records(
    server: BulkServer, tmp_path: Path
) -> None:
    server.behaviour.content = zip_bytes(many_records(30))
    store = AdvisoryStore(tmp_path / "store")
    update(server, store)
    record = tmp_path / "D-1.json"
    debian = osv_record("D-1", affected=[affected("a", ecosystem="Debian:12")])
    record.write_text(json.dumps(debian))
    outcome = store.update(Update([server.url(), str(record)]), now=NOW)
    assert outcome.changed and outcome.status.advisories == 31
    assert {one.etag for one in outcome.status.sources} == {'"one"', ""}


def test_replaced_source_is_fetched_again_whatever_its_etag(
    server: BulkServer, tmp_path: Path
) -> None:
    debian = osv_record("D-1", affected=[affected("a", ecosystem="Debian:12")])
    server.behaviour.content = zip_bytes([*many_records(30), debian])
    store = AdvisoryStore(tmp_path / "store")
    update(server, store)
    write_zip(tmp_path / "other.zip", many_records(25))
    assert store.update(Update([str(tmp_path / "other.zip")]), now=NOW).status.advisories == 26
    assert update(server, store).status.advisories == 31
    assert server.asked[-1].status == 200


@pytest.mark.parametrize("fault", ["cut", "checksum", "garbage", "truncated", "bomb", "status"])
def test_failed_update_over_http_leaves_the_database_as_it_was(
    server: BulkServer, tmp_path: Path, fault: str
) -> None:
    server.behaviour.content = zip_bytes(many_records(50))
    store = AdvisoryStore(tmp_path / "store")
    update(server, store)
    before = store.path.read_bytes()
    good = zip_bytes(many_records(60))
    server.behaviour.content, server.behaviour.etag = good, '"next"'
    if fault == "cut":
        server.behaviour.cut = [100] * 4
    elif fault == "checksum":
        server.behaviour.checksum = "wrong"
    elif fault == "garbage":
        server.behaviour.content = CONTENT
    elif fault == "truncated":
        server.behaviour.content = good[:-50]
    elif fault == "status":
        server.behaviour.statuses = [403]
    limits = FeedLimits(total=100) if fault == "bomb" else FeedLimits()
    with pytest.raises(FeedError):
        update(server, store, limits=limits)
    assert store.path.read_bytes() == before
    server.behaviour.content, server.behaviour.checksum = good, "true"
    assert update(server, store).status.advisories == 60


def test_two_updates_at_once_leave_one_whole_database(server: BulkServer, tmp_path: Path) -> None:
    server.behaviour.content = zip_bytes(many_records(200))
    server.behaviour.drip = 0.002
    outcomes: list[object] = []

    def run() -> None:
        try:
            outcomes.append(update(server, AdvisoryStore(tmp_path / "store"), mode=Mode.ADD))
        except Exception as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [one for one in outcomes if isinstance(one, UpdateSummary)]
    refused = [one for one in outcomes if one == "UpdateRunningError"]
    assert done and len(done) + len(refused) == 3
    with AdvisoryStore(tmp_path / "store").load() as database:
        assert database.status.advisories == 200
