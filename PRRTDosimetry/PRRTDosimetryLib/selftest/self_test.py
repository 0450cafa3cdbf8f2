"""The self-test: known answers on the user's own machine, with what was expected, found and allowed, and by whom.

``run_self_test`` is for the command and for a panel's button alike: it leaves the scene alone and writes only to a
temporary folder. The checks are in ``self_test_checks``.
"""

from __future__ import annotations

import hashlib
import math
import platform
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PRRTUptakeLib
from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.formatting import plain_table
from PRRTUptakeLib.progress import Progress, no_progress
from PRRTUptakeLib.report.page import html_page, paragraph, section, signature_table, table
from PRRTUptakeLib.versions import software

import PRRTDosimetryLib
from PRRTDosimetryLib.selftest.errors import SelfTestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FILE = "selftest.html"


@dataclass(frozen=True)
class Check:
    """One known answer.

    Attributes
    ----------
    group, name : what was computed.
    expected, found : in ``unit``; found is nan where the computation failed, ``problem`` says why.
    tolerance : largest allowed difference, in ``unit``.
    source : where the expected value comes from.
    """

    group: str
    name: str
    expected: float
    found: float
    tolerance: float
    unit: str
    source: str
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether found is within the tolerance of expected."""
        return math.isfinite(self.found) and abs(self.found - self.expected) <= self.tolerance


@dataclass(frozen=True)
class SelfTest:
    """All checks, when, on what machine, and of which code."""

    checks: tuple[Check, ...]
    made_at: str
    machine: str
    software: dict[str, str]
    fingerprint: str = ""

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        if not self.failed:
            return f"All {len(self.checks)} known answers were found."
        names = "; ".join(check.name for check in self.failed)
        return f"{len(self.failed)} of {len(self.checks)} known answers were NOT found: {names}."

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        checks = [{**vars(check), "passed": check.passed} for check in self.checks]
        about = {"made_at": self.made_at, "machine": self.machine, "software": self.software}
        about["fingerprint"] = self.fingerprint
        return {"passed": not self.failed, "count": len(checks), "failed": len(self.failed), **about, "checks": checks}


def run_self_test(progress: Progress = no_progress) -> SelfTest:
    """Run every check; one that cannot be computed counts as failed and does not stop the others."""
    from PRRTDosimetryLib.selftest.self_test_checks import GROUPS

    checks: list[Check] = []
    for n, (name, group) in enumerate(GROUPS.items()):
        progress(n / len(GROUPS), name)
        checks += checks_of(name, group)
    progress(1.0, "done")
    made_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    machine = f"{platform.node()}, {platform.platform()}, {platform.machine()}"
    return SelfTest(tuple(checks), made_at, machine, software(), fingerprint())


def fingerprint() -> str:
    """SHA-256 over the product's Python and resource files, so that a changed file shows in the protocol."""
    digest = hashlib.sha256()
    for package in (PRRTUptakeLib, PRRTDosimetryLib):
        folder = Path(package.__path__[0])
        resources = next(one for one in (folder.parent / "Resources", folder / "Resources") if one.is_dir())
        for path in sorted([*folder.rglob("*.py"), *resources.rglob("*.json")]):
            digest.update(path.relative_to(folder.parent).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def checks_of(name: str, group: Callable[[], Sequence[Check]]) -> list[Check]:
    """The checks of one group; a group that stops with an error is one failed check that reports the error."""
    try:
        return list(group())
    except Exception as error:  # whatever goes wrong on a user's machine belongs into the protocol
        problem = f"{type(error).__name__}: {error}"
        return [Check(name, f"{name}: could not be computed", 0.0, math.nan, 0.0, "", "", problem)]


def self_test_text(result: SelfTest) -> str:
    """The checks as a table for the terminal."""
    header = ["", "check", "expected", "found", "tolerance", "unit"]
    rows = [[_mark(one), one.name, *_numbers(one), one.unit] for one in result.checks]
    problems = [f"{one.name}: {one.problem}" for one in result.failed if one.problem]
    return "\n".join([plain_table(header, rows), *problems, "", result.sentence])


def write_self_test(result: SelfTest, path: Path, operator: str = "", site: str = "") -> None:
    """Write the protocol to print and sign to ``path``.

    Raises
    ------
    SelfTestError
        If it cannot be written; nothing is left then.
    """
    with atomic_file(path, SelfTestError) as page:
        page.write_text(self_test_html(result, operator, site), encoding="utf-8")


def self_test_html(result: SelfTest, operator: str = "", site: str = "") -> str:
    """The protocol to print and sign; ``operator`` and ``site`` for its title block."""
    about = result.software
    identity = {
        "Operator": operator or "not stated",
        "Site": site or "not stated",
        "Made": result.made_at.replace("T", " "),
        "Machine": result.machine,
        "Product": f"{about.get('name', '')} {about.get('version', '')}",
        "Versions": ", ".join(f"{name} {version}" for name, version in about.items() if name not in _PRODUCT),
        "Source of the product": f"{result.fingerprint} (SHA-256 of its files)",
    }
    header = ["outcome", "check", "expected", "found", "tolerance", "unit", "source of the expected value"]
    groups = dict.fromkeys(check.group for check in result.checks)
    sections = [section("Result", paragraph(result.sentence, "result" if not result.failed else "warnings"))]
    for group in groups:
        rows = [
            [_mark(one), one.name, *map(_in_print, _numbers(one)), one.unit, one.source or one.problem]
            for one in result.checks
            if one.group == group
        ]
        sections.append(section(group, table(header, rows)))
    sections.append(section("Signatures", paragraph(_DECLARATION), signature_table(_ROLES)))
    warnings = [f"{one.name}: {one.problem or 'outside its tolerance'}" for one in result.failed]
    return html_page("SlicerPRRT self-test", identity, warnings, sections)


_PRODUCT = ("name", "version")
_DECLARATION = (
    "The known answers above were computed on the machine named above. The signatories have read them and their "
    "tolerances. This protocol holds until the product, one of its packages or the machine changes."
)
_ROLES = ("Performed by", "Medical physicist")


def _mark(check: Check) -> str:
    return "passed" if check.passed else "FAILED"


def _numbers(check: Check) -> list[str]:
    return [f"{value:.6g}" for value in (check.expected, check.found, check.tolerance)]


def _in_print(number: str) -> str:
    """A number with its power of ten as on paper, which no line break divides.

    Examples
    --------
    >>> _in_print("1.18e-12"), _in_print("57.8")
    ('1.18·10⁻¹²', '57.8')
    """
    digits, e, power = number.partition("e")
    return f"{digits}·10{str(int(power)).translate(_RAISED)}" if e else number


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
