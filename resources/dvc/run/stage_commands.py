"""The commands of a stage, run one after another in the shell that DVC uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Stage
from resources.dvc.run.stage_environment import StageEnvironment, find_shell, stage_variables
from resources.dvc.run.stage_limits import StageLimits
from resources.dvc.run.stage_output import OutputFile
from resources.dvc.run.stage_process import Cancellation, Usage, run_command
from resources.errors import CommandError, UnavailableError, os_reason
from security.sandbox.confinement import ConfinementError, FileView, can_confine, can_protect

#: The hint where Landlock alone denies the keys, and so new entries in the directories above them.
_RESTRICTED = (
    "without user namespaces, stages create nothing directly in the home directory and above; use a"
    ' directory in it, or on the protected branch, in [tool.ml-assets]: confinement = "off"'
)


@dataclass(frozen=True)
class StageCommands:
    """Runs the commands of stages in a checkout. Safe for threads.

    Attributes:
        environment: variables of the processes.
        on_line: called with a stage name and one line of its output.
        cancellation: stops running commands.
        limits: time limits and retries, by stage name.
        view: what the processes see of the files; None does not confine them.
    """

    checkout: Checkout
    environment: StageEnvironment
    on_line: Callable[[str, str], None]
    cancellation: Cancellation
    limits: Mapping[str, StageLimits]
    view: FileView | None = None

    @property
    def confined(self) -> bool:
        """Whether this system hides files from the processes."""
        return self.view is not None and can_confine()

    @property
    def writable(self) -> tuple[str, ...]:
        """The protected places that the processes can write; ``*`` for all of them."""
        if self.view is None or not can_protect():
            return ("*",)
        return self.view.exempt

    def run(self, stage: Stage, clear: Callable[[Stage], None]) -> Usage:
        """Run the commands of a stage, again after a failure if the stage has retries.

        Args:
            clear: removes what the failed attempt has left.

        Returns:
            The total usage of the last attempt.

        Raises:
            CommandError: a command failed, its time is over, or the shell cannot start.
            UnavailableError: the processes cannot be confined.
        """
        limits = self.limits.get(stage.name, StageLimits())
        for retry in range(1, limits.retries + 1):
            try:
                return self._attempt(stage, limits.seconds)
            except CommandError as error:
                if self.cancellation.cancelled:
                    raise
                reason = error.message.removeprefix(f"{stage.name}: ")
                self.on_line(stage.name, f"retry {retry} of {limits.retries}: {reason}")
            clear(stage)
        return self._attempt(stage, limits.seconds)

    def _attempt(self, stage: Stage, seconds: float) -> Usage:
        """Run the commands of a stage until one fails, or their time is over."""
        variables = stage_variables(self.environment, str(self.checkout.root), stage.name)
        denied = False

        def on_line(line: str) -> None:
            nonlocal denied
            denied = denied or "ermission denied" in line
            self.on_line(stage.name, line)

        total = Usage(0, 0.0, 0.0, None)
        with closing(OutputFile(self.checkout.state / "output", stage.name)) as file:
            for command in stage.commands:
                self.on_line(stage.name, f"> {command}")
                left = seconds - total.seconds if seconds else math.inf
                usage = self._start(stage, command, variables, on_line, file, left)
                total = _add(total, usage)
                if usage.timed_out:
                    raise CommandError(
                        f"{stage.name}: stopped after the time limit of {seconds:g} s: {command}",
                        "read the output above; or raise time-limit in [tool.ml-assets.stages]",
                    )
                if usage.exit_code != 0:
                    restricted = denied and self.confined and not can_protect()
                    raise CommandError(
                        f"{stage.name}: command {_ending(usage.exit_code)}: {command}",
                        _RESTRICTED if restricted else _command_hint(usage.exit_code, stage),
                    )
        return total

    def _start(
        self,
        stage: Stage,
        command: str,
        variables: dict[str, str],
        on_line: Callable[[str], None],
        file: OutputFile,
        seconds: float,
    ) -> Usage:
        if self.cancellation.cancelled:
            raise CommandError(f"{stage.name}: cancelled", "run again: ml-assets run")
        try:
            return run_command(
                [*find_shell(variables), command],
                cwd=self.checkout.path(stage.wdir),
                variables=variables,
                on_line=on_line,
                cancellation=self.cancellation,
                view=self.view if self.confined else None,
                file=file,
                seconds=seconds,
            )
        except ConfinementError as error:
            raise UnavailableError(f"{stage.name}: {error.message}", error.hint) from error
        except OSError as error:
            raise CommandError(
                f"{stage.name}: cannot start a shell: {os_reason(error)}: {error.filename}",
                f"set SHELL to an existing shell, and wdir to an existing directory: {stage.file}",
            ) from error


def _add(one: Usage, other: Usage) -> Usage:
    return Usage(
        exit_code=other.exit_code,
        seconds=one.seconds + other.seconds,
        cpu_seconds=one.cpu_seconds + other.cpu_seconds,
        peak_bytes=max((u.peak_bytes for u in (one, other) if u.peak_bytes), default=None),
    )


def _ending(exit_code: int) -> str:
    return f"was ended by signal {-exit_code}" if exit_code < 0 else f"exited with {exit_code}"


def _command_hint(exit_code: int, stage: Stage) -> str:
    if exit_code in (126, 127):
        return "install the program named in the output above, or add it to PATH"
    return f"read the output above, correct it, then: ml-assets run --select {stage.name}"
