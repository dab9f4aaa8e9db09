"""Gating: which gates judge what in a checkout, and what the policy makes of their reports."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from ml_assets.gating.catalog import GateCatalog
from ml_assets.gating.runner import SOURCE, Case, CaseResult, Judge, Surroundings, longest_first
from ml_assets.project.denied_paths import list_denied
from ml_assets.project.interpreter import find_interpreter
from ml_assets.project.model_outs import find_data, find_models
from ml_assets.project.project import Project
from ml_assets.project.protection import POLICY
from ml_assets.project.rules import Rules
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.run.stage_environment import build_environment
from resources.errors import ConfigurationError
from resources.git.source_tree import Listing
from resources.stores.result_store import ResultStore
from security.gates.interface import Kind
from security.gates.registry import measuring_gates
from security.policy.decision import CaseDecision, Decision, evaluate
from security.policy.policy import Environment
from security.policy.rule import Level

#: What is asked before a stage may run; the other environments extend it.
MATERIALIZE = "materialize"
#: What a decision is about where there is nothing for a gate to judge.
NOTHING = "nothing"
#: What tools of the project get besides: compiled files would be a change of what is judged.
_PROJECT = {"PYTHONDONTWRITEBYTECODE": "1"}
#: What our own tools get of the environment: nothing of the user's.
_OWN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}


class Gating:
    """The gates of one checkout, for one environment. Safe for threads.

    Args:
        environment: the policy's name of it.
        written: what outs are known to hold that were made just now, by location.
        on_notice: told what a user should know once.
        listing: the paths of the source tree, where nothing was written since.

    Raises:
        ConfigurationError: the settings of the protected branch are not valid.
        PolicyError: the policy is none, or has no such environment.
    """

    def __init__(
        self,
        project: Project,
        checkout: Checkout,
        rules: Rules,
        *,
        environment: str = MATERIALIZE,
        written: Mapping[str, Content] | None = None,
        on_notice: Callable[[str], None] = lambda _: None,
        listing: Future[Listing] | None = None,
    ) -> None:
        self.rules = rules
        self.environment: Environment = rules.policy.environment(environment)
        self.project = project
        self.checkout = checkout
        store = ResultStore(
            project.make_state() / "results", project.secret, project.scope, on_notice
        )
        self.kit = GateCatalog(
            checkout, self.rules, self.environment, {} if written is None else written
        )
        self._judge = Judge(
            checkout,
            store,
            self.rules.protection,
            self._surroundings(project),
            code=_find_code(checkout),
            listing=listing,
        )
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()
        self._unused: dict[str, set[str]] = {}

    @property
    def notices(self) -> list[str]:
        """What a user should know of where the rules come from."""
        rules = self.rules
        unknown = rules.policy.unknown_gates(self.kit.kinds)
        said = [f"the policy names gates that there are none of: {', '.join(unknown)}"]
        ignored = [path for path in rules.ignored if path == POLICY]
        own, ruling = self.project.settings, rules.settings
        if (own.gates, own.performance) != (ruling.gates, ruling.performance):
            ignored.append("the settings of gates")
        return [
            *(said if unknown else []),
            *(f"not used, because {rules.origin} has another: {what}" for what in ignored),
        ]

    @property
    def unused_configuration(self) -> list[str]:
        """What a user should know of tools that were configured otherwise than the tree says."""
        with self._guard:
            unused = sorted((path, sorted(gates)) for path, gates in self._unused.items())
        return [
            f"not used, because {self.rules.origin} has another: "
            f"the configuration of {', '.join(gates)} in {path}"
            for path, gates in unused
        ]

    def _surroundings(self, project: Project) -> Surroundings:
        settings = self.rules.settings.gates
        allowed = self.rules.settings.environment
        variables = build_environment(os.environ, server=True, allowed=allowed).variables
        return Surroundings(
            python=find_interpreter(project.root, settings.python, os.environ),
            environment={**variables, **_PROJECT},
            own_environment=_OWN,
            denied=list_denied(project, self.rules.settings),
            timeout=settings.timeout,
        )

    def cases(self, names: Collection[str] = ()) -> list[Case]:
        """Return everything that there is to judge.

        Args:
            names: of gates; empty takes all that the environment does not turn off.

        Raises:
            ConfigurationError: there is no such gate.
        """
        known = self.kit.kinds
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ConfigurationError(
                f"no such gate: {', '.join(unknown)}", f"known are: {', '.join(known)}"
            )
        wants = self._is_on if not names else names.__contains__
        manifest = self.checkout.manifest
        cases = self.kit.source_cases(self._judge.tree.files, wants)
        for location in (*find_data(manifest), *find_models(manifest)):
            cases += self.kit.out_cases(location, wants)
        return cases

    def shown_cases(self, locations: Sequence[str]) -> list[Case]:
        """Return what there is to show of the source and of some outs.

        Whatever a stage reads is judged before (``required_of``); shown are the outs that a person
        would look for a verdict at: models, and what the repository itself calls data.
        """
        cases = self.kit.source_cases(self._judge.tree.files, self._is_on)
        for location in locations:
            if self.is_shown(location):
                cases += self.kit.declared_cases(location, self._is_on)
        return cases

    def is_shown(self, subject: str) -> bool:
        """Whether the UI has a place for what gates say of the source, or of an out."""
        places = (SOURCE,), self.kit.models, self.kit.named_data
        return any(subject in place for place in places)

    def absent(self, cases: Sequence[Case], names: Collection[str] = ()) -> list[CaseDecision]:
        """Return what is decided of gates that have nothing to judge, of those that matter.

        Args:
            cases: what there is to judge.
            names: of gates that were asked for; empty takes those that must have something.
        """
        judging = {case.gate.name for case in cases}
        found: list[CaseDecision] = []
        for name in self.kit.kinds:
            asked = name in names if names else self._level(name) is Level.REQUIRED
            if asked and name not in judging:
                # Who asks for a gate by its name is not told that it has passed.
                why = "there is nothing that it would judge" if names else None
                decision = self._evaluate(name, NOTHING, None, why, present=False)
                found.append(CaseDecision(decision, None, None, 0.0, False))
        return found

    def absent_in_source(self, cases: Sequence[Case]) -> list[CaseDecision]:
        """Return what is decided of required gates that have nothing to judge in the source."""
        kinds = self.kit.kinds
        return [one for one in self.absent(cases) if kinds[one.decision.gate] is Kind.SOURCE]

    def _level(self, gate: str) -> Level:
        return self.environment.rule(gate).level

    def _is_on(self, gate: str) -> bool:
        return self._level(gate) is not Level.OFF

    def _is_required(self, gate: str) -> bool:
        return self._level(gate) in (Level.REQUIRED, Level.IF_PRESENT)

    def required_of(self, location: str) -> list[Case]:
        """Return what an out has to have passed before anybody reads it."""
        return self.kit.out_cases(location, self._is_required)

    def required_of_dep(self, location: str) -> list[Case]:
        """Return what something that no stage writes has to have passed before anybody reads it."""
        return self.kit.consumed_cases(location, self._is_required)

    def required_of_source(self) -> list[Case]:
        """Return what the source tree has to have passed before any of it runs."""
        return self.kit.source_cases(self._judge.tree.files, self._is_required)

    def cases_of_run(self, locations: Collection[str]) -> list[Case]:
        """Return what a run has to answer for: its source, and the models among its outs.

        Data that is fresh was just compared with its record; models are also measured.
        """

        def wants(gate: str) -> bool:
            return self._is_required(gate) or (gate in measuring_gates() and self._is_on(gate))

        cases = self.required_of_source()
        for location in locations:
            if location in self.kit.models:
                cases += self.kit.out_cases(location, wants)
        return cases

    def refresh(self) -> None:
        """See what has changed in the source tree."""
        self._judge.refresh()

    def decide(self, case: Case) -> CaseDecision:
        """Judge a case, once at a time, and apply the policy to it."""
        with self._guard:
            lock = self._locks[case.key]
        with lock:
            result = self._judge.judge(case)
        with self._guard:
            for path in result.changed:
                self._unused.setdefault(path, set()).add(case.gate.name)
        decision = self._evaluate(
            case.gate.name, case.subject, result, result.unavailable, present=True
        )
        return CaseDecision(
            decision,
            result.report,
            result.tool,
            result.seconds,
            result.cached,
            result.result,
        )

    def _evaluate(
        self,
        gate: str,
        subject: str,
        result: CaseResult | None,
        unavailable: str | None,
        *,
        present: bool,
    ) -> Decision:
        return evaluate(
            self.environment.rule(gate),
            gate,
            subject,
            result.report if result is not None else None,
            unavailable,
            self.rules.policy.waivers,
            date.today(),
            present=present,
        )

    def decide_all(self, cases: Sequence[Case], jobs: int) -> Iterator[CaseDecision]:
        """Decide many cases side by side; yield each when it is done."""
        with _pool(jobs) as pool:
            waiting = [pool.submit(self.decide, case) for case in longest_first(cases)]
            for done in as_completed(waiting):
                yield done.result()


@contextmanager
def _pool(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Give workers; what has not begun when the block is left early never begins."""
    pool = ThreadPoolExecutor(max_workers=max(jobs, 1), thread_name_prefix="gate")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _find_code(checkout: Checkout) -> list[str]:
    """Return the files that stages read and no stage writes, wherever Git stands with them."""
    return [
        dep.location
        for stage in checkout.manifest.stages
        for dep in stage.deps
        if not dep.producers and _is_file_below(checkout.root, dep.location)
    ]


def _is_file_below(root: Path, location: str) -> bool:
    inside = "://" not in location and not location.startswith(("/", ".."))
    return inside and (root / location).is_file()
