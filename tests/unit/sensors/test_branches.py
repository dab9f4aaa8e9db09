"""What a tick decides, from what it has seen and what it knows of the past."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.project.settings.watch import Commits, First, WatchSettings
from sensors.branches import (
    Loaded,
    Lost,
    New,
    BranchObservation,
    decide,
    fail,
    is_resting,
)
from sensors.cursor import Cursor, Waiting, parse_cursor, write_cursor

A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
SETTINGS = WatchSettings()
SEEN = Cursor(heads={"main": A})
LOADED = {"main": Loaded(A, "shape")}
RUN = dataclasses.replace(SETTINGS, first=First.RUN)


def moved(*new: New, shape: str | None = "shape") -> BranchObservation:
    """Observe main at the last of some new commits, whose graphs all look the same."""
    return BranchObservation(
        heads={"main": new[-1].commit},
        new={"main": new},
        shapes={one.commit: shape for one in new},
        loaded=LOADED,
    )


def requested(
    cursor: Cursor, observed: BranchObservation, settings: WatchSettings = SETTINGS
) -> list[str]:
    return [one.commit for one in decide(cursor, observed, settings).requests]


def test_new_commit_becomes_one_run() -> None:
    first = decide(SEEN, moved(New(B)), SETTINGS)
    assert [(one.branch, one.commit) for one in first.requests] == [("main", B)]
    again = decide(first.cursor, BranchObservation({"main": B}, loaded=LOADED), SETTINGS)
    assert not again.requests


def test_first_look_at_an_old_repository_starts_nothing() -> None:
    observed = BranchObservation({"main": A, "develop": B}, {"main": [New(A)], "develop": [New(B)]})
    decision = decide(Cursor(), observed, SETTINGS)
    assert not decision.requests
    assert decision.cursor.heads == {"main": A, "develop": B}
    assert len(decision.notes) == 2


def test_first_look_runs_each_head_where_the_settings_say_so() -> None:
    observed = BranchObservation({"main": A}, {"main": [New(A)]}, {A: "shape"}, LOADED)
    assert requested(Cursor(), observed, RUN) == [A]


def test_of_several_commits_only_the_newest_runs() -> None:
    assert requested(SEEN, moved(New(B), New(C), New(D))) == [D]


def test_of_several_commits_each_runs_in_order_where_the_settings_say_so() -> None:
    each = dataclasses.replace(SETTINGS, commits=Commits.EACH)
    assert requested(SEEN, moved(New(B), New(C), New(D)), each) == [B, C, D]


def test_commit_that_changes_only_what_is_ignored_is_no_run() -> None:
    settings = dataclasses.replace(SETTINGS, ignore=("docs/*", "*.md"))
    decision = decide(SEEN, moved(New(B, frozenset({"docs/x/y.txt", "README.md"}))), settings)
    assert not decision.requests
    assert "changes only ignored files" in decision.notes[0]
    assert decision.cursor.heads == {"main": B}


@pytest.mark.parametrize("changed", [frozenset({"README.md", "train.py"}), frozenset(), None])
def test_commit_that_may_change_more_is_a_run(changed: frozenset[str] | None) -> None:
    settings = dataclasses.replace(SETTINGS, ignore=("*.md",))
    assert requested(SEEN, moved(New(B, changed)), settings) == [B]


def test_record_of_a_run_makes_no_loop() -> None:
    assert requested(SEEN, moved(New(B, ours=True))) == []


def test_commit_below_the_record_of_a_run_still_runs() -> None:
    assert requested(SEEN, moved(New(B), New(C, ours=True))) == [B]


def test_commit_that_nobody_trusted_has_signed_is_refused() -> None:
    decision = decide(SEEN, moved(New(B, distrust="no signature")), SETTINGS)
    assert not decision.requests
    assert "refused: no signature" in decision.notes[0]


def test_branch_that_is_gone_and_comes_back_where_it_was_runs_no_second_time() -> None:
    gone = decide(SEEN, BranchObservation({}, loaded=LOADED), RUN)
    assert gone.notes == ("main: deleted on the remote",)
    back = decide(gone.cursor, BranchObservation({"main": A}, loaded=LOADED), RUN)
    assert not back.requests


def test_branch_that_comes_back_elsewhere_runs() -> None:
    gone = decide(SEEN, BranchObservation({}, loaded=LOADED), SETTINGS)
    assert requested(gone.cursor, moved(New(B))) == [B]


def test_commit_whose_graph_is_another_waits_for_the_definitions() -> None:
    first = decide(SEEN, moved(New(B), shape="other"), SETTINGS)
    assert first.reload
    assert not first.requests
    loaded = {"main": Loaded(B, "other")}
    second = decide(
        first.cursor, BranchObservation({"main": B}, shapes={B: "other"}, loaded=loaded), SETTINGS
    )
    assert [one.commit for one in second.requests] == [B]
    assert not second.reload


def test_commit_does_not_wait_for_ever() -> None:
    cursor = decide(SEEN, moved(New(B), shape="other"), SETTINGS).cursor
    for _ in range(2):
        stuck = BranchObservation({"main": B}, shapes={B: "other"}, loaded=LOADED)
        decision = decide(cursor, stuck, SETTINGS)
        assert not decision.requests
        cursor = decision.cursor
    assert requested(
        cursor, BranchObservation({"main": B}, shapes={B: "other"}, loaded=LOADED)
    ) == [B]


def test_commit_of_a_branch_that_has_no_job_yet_waits_until_it_has() -> None:
    cursor = Cursor(waiting=(Waiting("new", B, waits=99),), heads={"new": B})
    nowhere = BranchObservation({"new": B}, shapes={B: "shape"}, loaded=LOADED)
    decision = decide(cursor, nowhere, SETTINGS)
    assert not decision.requests
    assert decision.reload
    loaded = {**LOADED, "new": Loaded(B, "shape")}
    assert requested(
        decision.cursor, BranchObservation({"new": B}, shapes={B: "shape"}, loaded=loaded)
    ) == [B]


def test_commit_without_a_graph_becomes_a_run_that_says_so() -> None:
    assert requested(SEEN, moved(New(B), shape=None)) == [B]


def test_later_commits_of_a_branch_stay_behind_one_that_waits() -> None:
    cursor = Cursor({"main": C}, (Waiting("main", B), Waiting("main", C)))
    observed = BranchObservation({"main": C}, shapes={B: "other", C: "shape"}, loaded=LOADED)
    decision = decide(cursor, observed, SETTINGS)
    assert not decision.requests
    assert [one.commit for one in decision.cursor.waiting] == [B, C]


def test_definitions_are_loaded_anew_for_versions_once_the_run_has_begun() -> None:
    first = decide(SEEN, moved(New(B)), SETTINGS)
    assert not first.reload
    later = BranchObservation({"main": B}, shapes={B: "shape"}, loaded=LOADED)
    assert decide(first.cursor, later, SETTINGS).reload


def test_older_run_is_superseded_and_the_same_one_is_not() -> None:
    observed = dataclasses.replace(moved(New(B)), active={"main": [A]})
    assert decide(SEEN, observed, SETTINGS).superseded == ("main",)
    same = dataclasses.replace(observed, active={"main": [B]})
    assert decide(SEEN, same, SETTINGS).superseded == ()


def test_remote_that_is_down_is_left_in_peace_longer_each_time_and_said_once() -> None:
    cursor, now, pauses, said = SEEN, 1000.0, [], 0
    for _ in range(8):
        decision = fail(cursor, "no answer", now)
        said += len(decision.notes)
        cursor = decision.cursor
        pauses.append(cursor.retry_at - now)
        assert is_resting(cursor, now + pauses[-1] - 0.1)
        now = cursor.retry_at
        assert not is_resting(cursor, now)
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]
    assert said == 1


def test_what_waits_is_kept_while_the_remote_is_down() -> None:
    cursor = Cursor({"main": B}, (Waiting("main", B),))
    assert fail(cursor, "no answer", 0.0).cursor.waiting == cursor.waiting


@pytest.mark.parametrize("now", [-1e9, 0.0, 99.0, 1e12])
def test_clock_that_jumps_makes_no_eternity(now: float) -> None:
    resting = dataclasses.replace(SEEN, failures=1, retry_at=1e6)
    assert not is_resting(resting, now)


def test_remote_that_answers_again_is_forgiven() -> None:
    failed = fail(SEEN, "no answer", 0.0).cursor
    assert decide(failed, moved(New(B)), SETTINGS).cursor.failures == 0


_names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=9)


@given(
    heads=st.dictionaries(_names, st.sampled_from([A, B])),
    waiting=st.lists(st.builds(Waiting, _names, st.sampled_from([A, B]), st.integers(0, 9))),
    failures=st.integers(0, 99),
    retry_at=st.floats(0, 1e12),
)
def test_cursor_survives_its_text(
    heads: dict[str, str], waiting: list[Waiting], failures: int, retry_at: float
) -> None:
    cursor = Cursor(heads, tuple(waiting), failures, retry_at)
    assert parse_cursor(write_cursor(cursor)) == cursor


def test_first_cursor_is_empty() -> None:
    assert parse_cursor(None) == parse_cursor("") == Cursor()


def test_cursor_of_an_earlier_release_is_read() -> None:
    text = json.dumps(
        {"version": 1, "heads": {}, "waiting": [["main", B, 2]], "failures": 0, "retry_at": 0}
    )
    assert parse_cursor(text).waiting == (Waiting("main", B, 2),)
    again = Cursor(waiting=(Waiting("main", B, 1, "a run"),))
    assert parse_cursor(write_cursor(again)) == again


def killed(deaths: int = 2, since: float = 0.0, now: float = 1000.0) -> BranchObservation:
    """Observe main at a commit whose runs have died."""
    lost = (Lost("main", A, f"run-{deaths}", deaths, since),)
    return BranchObservation({"main": A}, shapes={A: "shape"}, loaded=LOADED, lost=lost, now=now)


def test_commit_whose_runs_have_died_runs_again_with_a_key_of_its_own() -> None:
    decision = decide(SEEN, killed(), SETTINGS)
    assert [one.key for one in decision.requests] == [f"main@{A}+run-2"]
    assert "running again" in decision.notes[0]
    assert Waiting("main", A).key == f"main@{A}"


@pytest.mark.parametrize(
    ("deaths", "rest"), [(1, 20), (2, 20), (3, 40), (4, 80), (10, 3600), (5000, 3600)]
)
def test_commit_rests_longer_after_each_death(deaths: int, rest: int) -> None:
    early, due = killed(deaths, 1000.0, 999.0 + rest), killed(deaths, 1000.0, 1000.0 + rest)
    assert not requested(SEEN, early)
    assert requested(SEEN, due) == [A]
    assert requested(SEEN, killed(deaths, 10000.0, 10.0)) == [A], "a clock was set back"


def test_lost_commit_that_waits_for_its_graph_waits_once() -> None:
    observed = dataclasses.replace(killed(), shapes={A: "other"})
    cursor = decide(SEEN, observed, SETTINGS).cursor
    assert decide(cursor, observed, SETTINGS).cursor.waiting == (Waiting("main", A, 2, "run-2"),)


def test_lost_commit_below_the_head_runs_again_only_where_each_runs() -> None:
    observed = dataclasses.replace(killed(), heads={"main": B})
    assert not requested(SEEN, observed)
    assert requested(SEEN, observed, dataclasses.replace(SETTINGS, commits=Commits.EACH)) == [A]
    gone = dataclasses.replace(observed, heads={})
    assert not requested(SEEN, gone, dataclasses.replace(SETTINGS, commits=Commits.EACH))


@pytest.mark.parametrize("text", ["[]", "{}", "{", json.dumps({"version": 2}), "1"])
def test_cursor_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cursor|Expecting"):
        parse_cursor(text)


@given(
    st.lists(
        st.lists(st.tuples(st.booleans(), st.booleans()), max_size=3), min_size=1, max_size=12
    ),
    st.sampled_from(list(Commits)),
)
def test_no_commit_is_lost_and_none_runs_twice(
    ticks: list[list[tuple[bool, bool]]], commits: Commits
) -> None:
    """Whatever is pushed, and however late definitions come, each commit runs at most once.

    Each tick brings commits, each with a graph like the loaded one or another, and tells whether
    definitions were loaded meanwhile. With ``each`` all commits run; with ``newest`` the last.
    """
    settings = dataclasses.replace(SETTINGS, commits=commits)
    cursor, loaded, ran, pushed, shapes = SEEN, Loaded(A, "0"), [], [], {A: "0"}
    head, wanted = A, []
    for number, tick in enumerate([*ticks, [], [], [], [], []]):
        new = []
        for position, (other, _) in enumerate(tick):
            commit = f"{number:020d}{position:020d}"
            shapes[commit] = f"{number}.{position}" if other else loaded.shape or ""
            new.append(New(commit))
            pushed.append(commit)
        if any(reloaded for _, reloaded in tick):
            loaded = Loaded(head, shapes[head])
        if new:
            head = new[-1].commit
            wanted += [one.commit for one in (new if commits is Commits.EACH else new[-1:])]
        observed = BranchObservation(
            {"main": head}, {"main": new} if new else {}, shapes, {"main": loaded}
        )
        decision = decide(cursor, observed, settings)
        ran += [one.commit for one in decision.requests]
        cursor = decision.cursor
    while cursor.waiting:  # definitions never come
        decision = decide(
            cursor, BranchObservation({"main": head}, {}, shapes, {"main": loaded}), settings
        )
        ran += [one.commit for one in decision.requests]
        cursor = decision.cursor
    assert ran == wanted
