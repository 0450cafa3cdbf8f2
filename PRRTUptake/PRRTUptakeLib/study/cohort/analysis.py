"""One analysis of a table: what it was computed from, sealed by hashes, and the log of blinding."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.statistics.allocation import Allocation, FixedParts, Seal, fixed_parts, log_analysis, read_allocation
from PRRTUptakeLib.statistics.endpoints import Endpoint, evaluate
from PRRTUptakeLib.statistics.exclusions import read_exclusions
from PRRTUptakeLib.statistics.subgroups import read_subgroups
from PRRTUptakeLib.study.measurements import canonical_sha256
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.readings.measured import read_measurements
from PRRTUptakeLib.study.stated_exclusion import StatedExclusion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol


@dataclass(frozen=True)
class Options:
    """What an analysis of a table needs beside it.

    ``log`` None stands for a file beside the allocation, ``second_reader`` is a table of the same lesions read again,
    ``exclusions`` a table of who and what does not count (`exclusions.read_exclusions`).
    """

    protocol: str
    allocation: Path | None = None
    log: Path | None = None
    subgroups: Path | None = None
    mixed: bool = False
    second_reader: Path | None = None
    exclusions: Path | None = None

    def log_place(self, otherwise: Path | None = None) -> Path | None:
        """Return where the analysis is logged; without an allocation ``otherwise``."""
        if self.log is None and self.allocation:
            return self.allocation.with_name(f"{self.allocation.stem}.blinding.jsonl")
        return self.log or otherwise


@dataclass(frozen=True, eq=False)
class Analysis:
    """An endpoint with its seal; ``fixed_beforehand`` is None while blinded, or where no allocation was needed."""

    endpoint: Endpoint
    seal: Seal
    log: Path | None
    fixed_beforehand: bool | None
    fixed_parts: FixedParts | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        blinding = {
            "log": str(self.log) if self.log else None,
            "fixed_beforehand": self.fixed_beforehand,
            "fixed_parts": asdict(self.fixed_parts) if self.fixed_parts else None,
        }
        return {
            **self.endpoint.as_dict(),
            "measurements_sha256": self.seal.measurements_sha256,
            "analysis_sha256": self.seal.analysis_sha256,
            "blinding": blinding,
        }

    def blinding_words(self) -> str:
        """Say in one line how the analysis is sealed."""
        words = f"Analysis {self.seal.analysis_sha256[:16]} (protocol and data)"
        if self.log:
            words += f", logged in {self.log.name}"
        if self.fixed_beforehand is None:
            return f"{words}."
        words += f"; {'' if self.fixed_beforehand else 'NOT '}fixed before the allocation was first given."
        return words if self.fixed_beforehand or self.fixed_parts is None else f"{words} {self.fixed_parts.words}"


def analyse_file(measurements: Path, options: Options) -> Analysis:
    """Analyse a table strictly: a patient who cannot be analysed is an error.

    Raises
    ------
    PRRTError
        If the table, the protocol, the allocation or the log do not allow it.
    """
    protocol = load_protocol(options.protocol)
    rows = read_measurements(measurements)
    allocation = read_allocation(options.allocation) if options.allocation else None
    digest = canonical_sha256(rows)
    return analyse(rows, protocol, digest, allocation, options.log_place(), options, strict=True)


def analyse(
    rows: Sequence[Measurement],
    protocol: Protocol,
    measurements_sha256: str,
    allocation: Allocation | None,
    log: Path | None,
    options: Options,
    strict: bool,
    stated: Sequence[StatedExclusion] = (),
) -> Analysis:
    """Evaluate the endpoint, and log it before anybody sees it.

    Parameters
    ----------
    measurements_sha256 : of what the rows say (``canonical_sha256``).
    log : where to log, with an allocation or blinded; None logs nothing.
    options : for subgroups and the mixed model.
    strict : see `endpoints.evaluate`.
    stated : exclusions of the case files, besides those of ``options``.
    """
    characteristics = read_subgroups(options.subgroups) if options.subgroups else None
    exclusions = (*stated, *(read_exclusions(options.exclusions) if options.exclusions else ()))
    endpoint = evaluate(rows, protocol, allocation, strict, options.mixed, characteristics, exclusions)
    seal = Seal(protocol.sha256, measurements_sha256, patients=_patient_hashes(rows, exclusions))
    fixed, parts = None, None
    if log and (allocation or endpoint.blinded):
        fixed = log_analysis(log, seal, protocol.name, allocation)
        parts = fixed_parts(log) if allocation else None
    return Analysis(endpoint, seal, log, fixed, parts)


def _patient_hashes(rows: Sequence[Measurement], exclusions: Sequence[StatedExclusion]) -> dict[str, str]:
    """SHA-256 of each patient's measurements and exclusions, so that later changes can be reported by patient."""
    by_patient: dict[str, list[Measurement]] = {}
    for row in rows:
        by_patient.setdefault(row.patient, []).append(row)
    texts = {}
    for patient, mine in by_patient.items():
        words = [one.words for one in exclusions if one.patient == patient]
        texts[patient] = "\n".join([canonical_sha256(mine), *words])
    return {patient: hashlib.sha256(text.encode()).hexdigest() for patient, text in sorted(texts.items())}
