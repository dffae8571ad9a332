"""The contract of a stage, with one function per promise, grouped by topic."""

from __future__ import annotations

from mmlrs.engine.bridge import collect, to_spark
from mmlrs.testing.checks.check import Check
from mmlrs.testing.checks.compare import assert_same
from mmlrs.testing.checks.context import NotApplicable, fit_stage, run_stage
from mmlrs.testing.checks.facts import Facts, Tags
from mmlrs.testing.checks.report import Outcome, Report
from mmlrs.testing.checks.samples import sample_stage
from mmlrs.testing.checks.suite import CHECKS, check_stage, checks_of, report_of

__all__ = [
    "CHECKS",
    "Check",
    "Facts",
    "NotApplicable",
    "Outcome",
    "Report",
    "Tags",
    "assert_same",
    "check_stage",
    "checks_of",
    "collect",
    "fit_stage",
    "report_of",
    "run_stage",
    "sample_stage",
    "to_spark",
]
