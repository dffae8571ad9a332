"""The report of a run of the contract."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Outcome", "Report"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one check: "passed", "failed" with the cause, or "not applicable" with the reason."""

    name: str
    status: str
    reason: str = ""
    seconds: float = 0.0
    error: BaseException | None = None


@dataclass(frozen=True)
class Report:
    """The outcomes of the checks on one stage. Its string lists every check, with the reason if it did not run.

    Parameters
    ----------
    stage : str
        The name of the stage's class.
    outcomes : tuple of Outcome
        One outcome per check, in the order of the contract.
    """

    stage: str
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> list[str]:
        """The names of the checks that passed."""
        return [outcome.name for outcome in self.outcomes if outcome.status == "passed"]

    @property
    def failed(self) -> dict[str, str]:
        """The names of the checks that failed, with the cause."""
        return {outcome.name: outcome.reason for outcome in self.outcomes if outcome.status == "failed"}

    @property
    def not_applicable(self) -> dict[str, str]:
        """The names of the checks that did not run, with the reason."""
        return {o.name: o.reason for o in self.outcomes if o.status == "not applicable"}

    def __str__(self) -> str:
        """Return one line for each check."""
        width = max((len(outcome.name) for outcome in self.outcomes), default=0)
        lines = [
            f"  {o.name:<{width}}  {o.status}{f': {o.reason}' if o.reason else f' in {o.seconds:.2f} s'}"
            for o in self.outcomes
        ]
        counts = f"{len(self.passed)} checks passed, {len(self.failed)} failed, {len(self.not_applicable)} not applicable"
        return "\n".join([f"{self.stage}: {counts}", *lines])
