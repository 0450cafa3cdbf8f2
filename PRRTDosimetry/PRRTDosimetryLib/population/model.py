"""A population as a file: POPULATION.json, read by the one loader and written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.command_line import json_text
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.resources import resource_path
from PRRTUptakeLib.study.schema.json_file import read_json_file
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.study.schema.population_keys import POPULATION
from PRRTUptakeLib.versions import VERSION

from PRRTDosimetryLib.population.courses import KINETICS
from PRRTDosimetryLib.population.errors import PopulationError
from PRRTDosimetryLib.population.kind_model import Covariate, FitChecks, KindModel, TriedForm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA = "urn:prrt:schema:population"


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Kinetics by kind of region.

    Attributes
    ----------
    kinds : by `courses.KINDS`.
    nuclide : of the curves behind it.
    per_administered : whether amplitudes are per MBq administered.
    stated_noise : whether the points had uncertainties, the noise being what is beyond them.
    synthetic : made from no patients.
    source : whose patients, in words.
    inputs : (file, SHA-256) behind it.
    name : of its file, for messages.
    """

    kinds: Mapping[str, KindModel]
    nuclide: str
    per_administered: bool
    stated_noise: bool = False
    synthetic: bool = False
    source: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    name: str = "population"

    @property
    def sha256(self) -> str:
        """Of what it says, whatever its file is called."""
        return hashlib.sha256(json.dumps(_content(self), sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Population) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def model(self, kind: str) -> KindModel:
        """The population of a kind.

        Raises
        ------
        PopulationError
            If it has none, naming those that there are.
        """
        if kind not in self.kinds:
            raise PopulationError(f"{self.name} has no kinetics of '{kind}'; it has {', '.join(self.kinds)}.")
        return self.kinds[kind]


def read_population(path: Path) -> Population:
    """Read POPULATION.json.

    Raises
    ------
    PopulationError
        If the file cannot be read, or a value in it cannot be, naming its key.
    """
    place = Place(file=Path(path).name, error=PopulationError)
    values = POPULATION.read(read_json_file(Path(path), place), place)
    kinds = {kind: _kind(one, place.key("regions").key(kind)) for kind, one in values["regions"].items()}
    return Population(
        kinds=kinds,
        nuclide=nuclide(values["nuclide"]).name,
        per_administered=values["amplitude"] == "per-administered",
        stated_noise=values.get("stated_noise", False),
        synthetic=values.get("synthetic", False),
        source=values.get("source", ""),
        inputs=tuple((one["file"], one["sha256"]) for one in values.get("inputs", ())),
        name=Path(path).name,
    )


def shipped_population() -> Path:
    """The file of the synthetic population, which is shipped for tests and the tutorial."""
    return resource_path(__file__, "Populations", "synthetic_population.json")


def write_population(population: Population, path: Path) -> None:
    """Write POPULATION.json.

    Raises
    ------
    PopulationError
        If the file cannot be written; it is then as it was.
    """
    with atomic_file(Path(path), PopulationError) as part:
        part.write_text(json_text(_content(population)) + "\n", encoding="utf-8", newline="\n")


def hashes(paths: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of files."""
    return tuple((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths)


def _content(population: Population) -> dict[str, Any]:
    physical = nuclide(population.nuclide).decay_constant_per_h
    return {
        "$schema": SCHEMA,
        "synthetic": population.synthetic,
        **({"source": population.source} if population.source else {}),
        "software": f"SlicerPRRT {VERSION}",
        "nuclide": population.nuclide,
        "amplitude": "per-administered" if population.per_administered else "MBq",
        "stated_noise": population.stated_noise,
        "inputs": [{"file": file, "sha256": sha} for file, sha in population.inputs],
        "regions": {kind: _kind_content(one, physical) for kind, one in population.kinds.items()},
    }


def _kind_content(model: KindModel, physical_per_h: float) -> dict[str, Any]:
    content: dict[str, Any] = {
        "model": model.kinetics.name,
        "half_life_h": model.typical_half_life_h(physical_per_h),
        "typical": model.typical.tolist(),
        "between_patients": model.between.tolist(),
        "noise": model.noise,
        "correlated": model.full,
    }
    if model.within is not None:
        content["within_patient"] = model.within.tolist()
    if model.cycles is not None:
        content["between_cycles"] = model.cycles.tolist()
    if model.covariates:
        content["covariates"] = [asdict(one) for one in model.covariates]
        content["effects"] = model.effects.tolist()
    content |= {"patients": model.patients, "curves": model.curves, "images": model.images}
    if model.shrinkage:
        content["shrinkage"] = list(model.shrinkage)
    if math.isfinite(model.log_likelihood):
        content["log_likelihood"] = model.log_likelihood
    content["tried"] = [asdict(one) for one in model.tried]
    content["checks"] = {
        key: value
        for key, value in asdict(model.checks).items()
        if not isinstance(value, float) or math.isfinite(value)
    }
    content["covariance"] = model.covariance.tolist()
    return content


def _kind(values: Mapping[str, Any], place: Place) -> KindModel:
    between = np.array(values["between_patients"])
    if not np.allclose(between, between.T) or np.linalg.eigvalsh(between).min() <= 0:
        place.stop(
            f"{place.key('between_patients').name} is no covariance: it must be symmetric and positive definite."
        )
    size = between.shape[0]
    covariates = tuple(Covariate(**one) for one in values.get("covariates", ()))
    model = KindModel(
        kinetics=KINETICS[values["model"]],
        typical=np.array(values["typical"]),
        effects=np.array(values.get("effects", ())).reshape(len(covariates), size),
        between=between,
        within=np.array(values["within_patient"]) if "within_patient" in values else None,
        cycles=np.array(values["between_cycles"]) if "between_cycles" in values else None,
        noise=values["noise"],
        covariance=np.array(values["covariance"]),
        covariates=covariates,
        full=values["correlated"],
        patients=values["patients"],
        curves=values["curves"],
        images=values["images"],
        shrinkage=tuple(values.get("shrinkage", ())),
        log_likelihood=values.get("log_likelihood", math.nan),
        tried=tuple(TriedForm(**one) for one in values.get("tried", ())),
    )
    if np.linalg.eigvalsh(model.covariance).min() < -1e-8:
        place.stop(f"{place.key('covariance').name} is no covariance: write the file again with 'prrt population'.")
    return replace(model, checks=_checks(values.get("checks", {})))


def _checks(values: Mapping[str, Any]) -> FitChecks:
    """Checks as they were kept; what is missing is not known."""
    return FitChecks(
        converged=bool(values.get("converged", True)),
        largest_slope=float(values.get("largest_slope", math.nan)),
        starts_apart=float(values.get("starts_apart", math.nan)),
        curved=bool(values.get("curved", True)),
        laplace_error=float(values.get("laplace_error", math.nan)),
    )
