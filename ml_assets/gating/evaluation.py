"""Gating: the cases of a checkout, and the decisions of the policy on them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import date

from ml_assets.gating.catalog import GateCatalog
from ml_assets.gating.runner import SOURCE, Case, CaseResult, Judge, Surroundings, longest_first
from ml_assets.project.model_outs import find_data, find_models
from ml_assets.project.process_view import build_view
from ml_assets.project.project import Project
from ml_assets.project.protection import POLICY
from ml_assets.project.rules import Rules
from ml_assets.project.stage_code import find_code
from ml_assets.project.stage_variables import find_stage_variables
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.errors import ConfigurationError
from resources.git.source_tree import Listing
from resources.stores.result_store import ResultStore
from security.gates.interface import Kind
from security.gates.registry import measuring_gates
from security.policy.decision import CaseDecision, Decision, evaluate
from security.policy.policy import MATERIALIZE, Environment
from security.policy.rule import Level

#: The subject of a decision on a gate without cases.
NOTHING = "nothing"
#: Additional variables for the project's tools: compiled files would change the judged tree.
_PROJECT = {"PYTHONDONTWRITEBYTECODE": "1"}
#: The environment of our own tools, without any variable of the user.
_OWN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}


class Gating:
    """The gates of one checkout, for one environment. Safe for threads.

    Args:
        environment: name of an environment of the policy.
        written: contents of the outs that this run has written, by location.
        on_notice: receives notices for the user.
        listing: paths of the source tree, if nothing has been written since.

    Raises:
        ConfigurationError: the settings of the protected branch are not valid.
        PolicyError: the policy is malformed, or has no such environment.
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
            project.make_state() / "results", project.seal, project.scope, on_notice
        )
        self.kit = GateCatalog(
            checkout, self.rules, self.environment, {} if written is None else written
        )
        self._judge = Judge(
            checkout,
            store,
            self.rules.protection,
            self._surroundings(project),
            code=find_code(checkout),
            listing=listing,
        )
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()
        self._unused: dict[str, set[str]] = {}

    @property
    def notices(self) -> list[str]:
        """Notices about the policy and about settings of the working tree that do not apply."""
        rules = self.rules
        unknown = rules.policy.unknown_gates(self.kit.kinds)
        said = [f"unknown gates in policy: {', '.join(unknown)}"]
        ignored = [path for path in rules.ignored if path == POLICY]
        own, ruling = self.project.settings, rules.settings
        if (own.gates, own.performance) != (ruling.gates, ruling.performance):
            ignored.append("gate settings")
        receiving = self._judge.tree.receiving
        return [
            *(said if unknown else []),
            *(f"ignored, {rules.origin} has another version: {what}" for what in ignored),
            *(f"not judged, receives the output of this command: {path}" for path in receiving),
        ]

    @property
    def offers(self) -> list[str]:
        """Offers before gates are used for the first time."""
        from ml_assets.gating.advisories import offer_update  # a run without one starts faster

        offer = offer_update() if self._is_on("dependencies") else None
        return [offer] if offer else []

    @property
    def unused_configuration(self) -> list[str]:
        """Notices about tool configuration of the working tree that does not apply."""
        with self._guard:
            unused = sorted((path, sorted(gates)) for path, gates in self._unused.items())
        return [
            f"ignored, {self.rules.origin} has another version: "
            f"configuration of {', '.join(gates)} in {path}"
            for path, gates in unused
        ]

    def _surroundings(self, project: Project) -> Surroundings:
        settings = self.rules.settings.gates
        environment = find_stage_variables(project, self.rules, server=True)
        return Surroundings(
            python=environment.python,
            environment={**environment.variables, **_PROJECT},
            own_environment=_OWN,
            view=build_view(project, self.rules.settings),
            timeout=settings.timeout,
        )

    def cases(self, names: Collection[str] = ()) -> list[Case]:
        """Return all cases.

        Args:
            names: names of gates; empty selects all gates that the environment does not turn off.

        Raises:
            ConfigurationError: a gate is unknown.
        """
        known = self.kit.kinds
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ConfigurationError(
                f"unknown gate: {', '.join(unknown)}", f"known gates: {', '.join(known)}"
            )
        wants = self._is_on if not names else names.__contains__
        manifest = self.checkout.manifest
        cases = self.kit.source_cases(self._judge.tree.files, wants)
        for location in (*find_data(manifest), *find_models(manifest)):
            cases += self.kit.out_cases(location, wants)
        return cases

    def shown_cases(self, locations: Sequence[str]) -> list[Case]:
        """Return the cases of the source and of some outs that the UI shows.

        Every input of a stage is judged (``required_of``); the UI shows models and declared data.
        """
        cases = self.kit.source_cases(self._judge.tree.files, self._is_on)
        for location in locations:
            if self.is_shown(location):
                cases += self.kit.declared_cases(location, self._is_on)
        return cases

    def is_shown(self, subject: str) -> bool:
        """Return whether the UI shows decisions on a subject."""
        places = (SOURCE,), self.kit.models, self.kit.named_data
        return any(subject in place for place in places)

    def absent(self, cases: Sequence[Case], names: Collection[str] = ()) -> list[CaseDecision]:
        """Return the decisions on gates without cases.

        Args:
            cases: all cases.
            names: names of gates that the user gave; empty selects required gates.
        """
        judging = {case.gate.name for case in cases}
        found: list[CaseDecision] = []
        for name in self.kit.kinds:
            asked = name in names if names else self._level(name) is Level.REQUIRED
            if asked and name not in judging:
                # A gate that the user names does not pass by default.
                why = "nothing to judge" if names else None
                decision = self._evaluate(name, NOTHING, None, why, present=False)
                found.append(CaseDecision(decision, None, None, 0.0, False))
        return found

    def absent_in_source(self, cases: Sequence[Case]) -> list[CaseDecision]:
        """Return the decisions on required source gates without cases."""
        kinds = self.kit.kinds
        return [one for one in self.absent(cases) if kinds[one.decision.gate] is Kind.SOURCE]

    def _level(self, gate: str) -> Level:
        return self.environment.rule(gate).level

    def _is_on(self, gate: str) -> bool:
        return self._level(gate) is not Level.OFF

    def _is_required(self, gate: str) -> bool:
        return self._level(gate) in (Level.REQUIRED, Level.IF_PRESENT)

    def required_of(self, location: str) -> list[Case]:
        """Return the cases that an out must pass before a stage reads it."""
        return self.kit.out_cases(location, self._is_required)

    def required_of_dep(self, location: str) -> list[Case]:
        """Return the cases that an input without a stage must pass before a stage reads it."""
        return self.kit.consumed_cases(location, self._is_required)

    def required_of_source(self) -> list[Case]:
        """Return the cases that the source tree must pass before a stage runs."""
        return self.kit.source_cases(self._judge.tree.files, self._is_required)

    def cases_of_run(self, locations: Collection[str], unknown: Collection[str] = ()) -> list[Case]:
        """Return the cases of a run: of its source, and of the models among its outs.

        Data needs no gate here, since the run has just compared it with its record. Models are also
        measured by gates that are not required.

        Args:
            unknown: locations of outs that may be models by their content.
        """

        def wants(gate: str) -> bool:
            return self._is_required(gate) or (gate in measuring_gates() and self._is_on(gate))

        cases = self.required_of_source()
        for location in locations:
            if location in self.kit.models:
                cases += self.kit.out_cases(location, wants)
            elif location in unknown:
                cases += self.kit.content_cases(location, wants)
        return cases

    def refresh(self) -> None:
        """Read the source tree again if it has changed."""
        self._judge.refresh()

    def decide(self, case: Case) -> CaseDecision:
        """Judge a case, and apply the policy; two threads never judge the same case at once."""
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
        """Decide cases in parallel; yield each decision when it is made."""
        with _pool(jobs) as pool:
            waiting = [pool.submit(self.decide, case) for case in longest_first(cases)]
            for done in as_completed(waiting):
                yield done.result()


@contextmanager
def _pool(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Return a pool of workers; tasks that have not started when the block ends are cancelled."""
    pool = ThreadPoolExecutor(max_workers=max(jobs, 1), thread_name_prefix="gate")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
