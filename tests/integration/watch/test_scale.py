"""A repository of 5,000 commits and 500 stages, and a data file of 2 GB that no remote has."""

from __future__ import annotations

import time
from collections.abc import Iterator

import dagster as dg
import pytest

from .pushed import Pushed, make_pushed
from .service import Service, serve

pytestmark = [pytest.mark.slow]

COMMITS, STAGES = 5000, 500
MISSING = """\
outs:
- md5: 0123456789abcdef0123456789abcdef
  size: 2147483648
  hash: md5
  path: big.bin
"""


def _write_stages() -> str:
    lines = ["stages:\n", "  needs:\n    cmd: wc big.bin > size.txt\n    deps: [big.bin]\n"]
    lines.append("    outs: [size.txt]\n")
    for number in range(1, STAGES):
        lines.append(f"  s{number}:\n    cmd: echo {number} > out{number}.txt\n")
        lines.append(f"    deps: [raw.txt]\n    outs: [out{number}.txt]\n")
    return "".join(lines)


def _write_history(pushed: Pushed) -> None:
    head = pushed.git("rev-parse", "HEAD")
    stream = []
    for number in range(COMMITS):
        text = f"{number}\n"
        stream += ["commit refs/heads/main\n", "committer A <a@example.invalid> "]
        stream += [f"{1700000000 + number} +0000\n", "data 2\nA\n"]
        stream += [f"from {head}\n"] if number == 0 else []
        stream += [f"M 100644 inline depth.txt\ndata {len(text)}\n{text}\n"]
    pushed.git("fast-import", "--quiet", "--force", stdin="".join(stream))
    pushed.git("reset", "--quiet", "--hard", "main")
    pushed.git("push", "--quiet", "origin", "main", "main~2500:refs/heads/develop")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, float]]:
    """A server over it, and the seconds until its first look was over."""
    pushed = make_pushed(
        tmp_path_factory.mktemp("large"), "keep-going = true\n[watch]\ninterval = 1\n"
    )
    pushed.commit({"dvc.yaml": _write_stages(), "big.bin.dvc": MISSING, ".gitignore": "/*.txt\n"})
    _write_history(pushed)
    pushed.must("git", "pull", "--quiet", directory=pushed.served)
    begin = time.monotonic()
    with serve(pushed) as service:
        service.wait_for_tick()
        yield service, time.monotonic() - begin


def test_first_start_on_a_large_repository_is_quick_and_runs_nothing(
    started: tuple[Service, float],
) -> None:
    """It is up in a minute on a busy machine; a look that finds nothing new costs little."""
    service, seconds = started
    print(f"started in {seconds:.1f} s")
    assert seconds < 60
    assert len(service.assets()) > 2 * STAGES
    ticks = [service.wait_for_tick() for _ in range(3)]
    spent = sorted((tick.end_timestamp or time.time()) - tick.timestamp for tick in ticks)
    print("ticks took", spent)
    assert spent[1] < 2
    assert service.runs() == []


def test_data_that_no_remote_has_fails_the_stage_that_needs_it_and_no_other(
    started: tuple[Service, float],
) -> None:
    """The run fails and names the data; everything else has been made; the next push runs."""
    service, _ = started
    pushed = service.pushed
    commit = pushed.push("main", {"depth.txt": "new\n"})
    run = service.wait_for_run(commit, 400)
    assert run.status is dg.DagsterRunStatus.FAILURE
    said = service.why(run)
    assert "needs" in said and "big.bin" in said, said
    with service.instance() as instance:
        made = instance.get_event_records(
            dg.EventRecordsFilter(
                dg.DagsterEventType.ASSET_MATERIALIZATION,
                asset_key=dg.AssetKey(["main", f"out{STAGES - 1}.txt"]),
            )
        )
    assert [record.event_log_entry.run_id for record in made] == [run.run_id]
    mended = _write_stages().replace("big.bin", "raw.txt")
    service.wait_for_pass(pushed.push("main", {"dvc.yaml": mended, "big.bin.dvc": None}), 400)
