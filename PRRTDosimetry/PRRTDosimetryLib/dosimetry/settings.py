"""What a case file may say on dosimetry: its key ``dosimetry``; whatever is left out has a stated default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.registration_rule import REGISTER, RegistrationRule, registration_rule
from PRRTUptakeLib.study.schema.json_file import read_json_file
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.study.schema.shared_keys import DOSIMETRY

from PRRTDosimetryLib.dose.density import SOFT_TISSUE_g_per_mL
from PRRTDosimetryLib.dose.density_curves import DensityCurve, shipped_curve
from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.effect.bed import DEFAULT_TISSUES, Tissue
from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.options import ASSUMED_TEFF_CHANGE, Options
from PRRTDosimetryLib.population.model import read_population
from PRRTDosimetryLib.transport.options import TransportOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.study.visit import VisitResult

    from PRRTDosimetryLib.kinetics.fitting import Weights
    from PRRTDosimetryLib.population.model import Population


@dataclass(frozen=True, kw_only=True)
class DoseSettings:
    """How doses are calculated.

    Attributes
    ----------
    model : for all curves; "auto" chooses by AICc.
    sex : "M" or "F", where the images do not say it.
    teff_h : effective half-life by region ("" for all others) for cycles with one image; a region without one keeps
        the form of its full curve in an earlier cycle.
    u_teff_h : their standard uncertainties in hours, by region alike.
    teff_change : relative standard deviation of effective half-lives between cycles, see `Options`.
    calibration_u, counts_u, s_value_u : relative standard uncertainties of the chain (Gear et al. 2018,
        doi:10.1007/s00259-018-4136-7): activity calibration, counts of a region in one image, S-value. The defaults
        are of the order of that guidance's example and are no measurement of this camera: give your own.
    contour_fwhm_mm : resolution of the image on which regions are drawn.
    image_fwhm_mm : resolution of the emission images as measured for this camera, from which the correction for partial
        volume, the expected recovery of every region and what its volume costs in counts follow; 0 takes the
        protocol's. The visits are measured with it (``StudyInput.measuring_protocol``).
    dose_map : dose in every voxel too: "kernel" (voxel S-values), "local" (electrons where they arise), "transport"
        (Monte Carlo through the CT), "" for none.
    density, density_g_per_mL : of the tissue in dose maps: "uniform" is that value everywhere, "ct" that of the CT.
    ct_curve : from Hounsfield values to density.
    integration : what is integrated in every voxel: "activity", from whose integral dose follows, or "dose-rate", from
        the dose rate of every image in its own tissues.
    accumulate : sums the dose maps of all cycles on the CT of the first: "rigid", "deformable", or "" for no sum.
    transport : of the dose map "transport".
    tissues : radiosensitivity by organ, "lesions" or region; those of the protocol hold where a name is missing.
    isodoses_Gy : levels whose regions of the dose map are drawn.
    marrow : "vertebrae" of the marrow's segment (L2-L4 if left out), and "fat_fraction" of their marrow.
    transforms : for the dose map, by "CYCLE/VISIT" (such as "1/72h"), from the patient as in the cycle's first visit
        to that visit, in any form that a visit's ``registration`` may have (a transform file of another tool, a 4x4 in
        RAS mm, the identity with its reason). Visits that are not named are registered, unless they share the frame of
        reference or were measured with contours that were registered already.
    population : kinetics of the centre's patients, from which curves of their kinds borrow strength; then a region with
        one image needs no half-life, and later cycles follow from earlier ones by the spread between cycles.
    covariates : of the patient, such as egfr, where the population depends on them.
    """

    model: str = "auto"
    sex: str = ""
    teff_h: Mapping[str, float] = field(default_factory=dict)
    u_teff_h: Mapping[str, float] = field(default_factory=dict)
    teff_change: float = ASSUMED_TEFF_CHANGE
    calibration_u: float = 0.05
    counts_u: float = 0.02
    s_value_u: float = 0.05
    contour_fwhm_mm: float = 1.0
    image_fwhm_mm: float = 0.0
    dose_map: str = ""
    density: str = "uniform"
    density_g_per_mL: float = SOFT_TISSUE_g_per_mL
    ct_curve: DensityCurve = field(default_factory=shipped_curve)
    integration: str = "activity"
    accumulate: str = ""
    transport: TransportOptions = field(default_factory=TransportOptions)
    tissues: Mapping[str, Tissue] = field(default_factory=dict)
    isodoses_Gy: tuple[float, ...] = ()
    marrow: Mapping[str, Any] = field(default_factory=dict)
    transforms: Mapping[str, RegistrationRule] = field(default_factory=dict)
    population: Population | None = None
    covariates: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_case(
        cls, content: Mapping[str, Any], base: Path | None = None, place: Place | None = None
    ) -> DoseSettings:
        """Read the key ``dosimetry`` of a case file; paths in it are relative to ``base``.

        ``place`` is what messages name, where it is another file.

        Raises
        ------
        InputFileError
            For an unknown key or an impossible value.
        """
        place = place or Place(file="the case", path="dosimetry", base=base or Path())
        values = DOSIMETRY.read(dict(content) if isinstance(content, Mapping) else content, place)
        made: dict[str, Any] = {"transforms": _transforms(values.get("transforms", {}), place.key("transforms"))}
        if "ct_curve" in values:
            made["ct_curve"] = _curve(values["ct_curve"], place.key("ct_curve"))
        if "transport" in values:
            made["transport"] = TransportOptions(**values["transport"])
        kinetics = values.pop("kinetics", None)
        if kinetics is not None:
            made["population"] = read_population(kinetics["population"])
            made["covariates"] = kinetics.get("covariates", {})
        made["tissues"] = {name: Tissue.from_values(one) for name, one in values.get("tissues", {}).items()}
        return cls(**{**values, **made})

    @property
    def by_ct(self) -> bool:
        """Whether dose maps need a CT."""
        return self.density == "ct" or self.dose_map == "transport"

    def divided(self, spacing_mm: tuple[float, float, float]) -> tuple[int, int, int]:
        """Into how many parts an image's voxels are divided along k, j, i: for a transport on a finer grid alone."""
        return self.transport.divided(spacing_mm) if self.dose_map == "transport" else (1, 1, 1)

    def radiosensitivities(self, protocol: Protocol) -> dict[str, Tissue]:
        """Those of the case before those of its protocol before the defaults."""
        by_protocol = {name: Tissue.from_values(one) for name, one in protocol.tissues.items()}
        return {**DEFAULT_TISSUES, **by_protocol, **self.tissues}

    def options(self, weights: Weights | None = None) -> Options:
        """Options of integration with the half-lives and their uncertainties; ``weights`` as the images give them."""
        return Options(weights, teff_h=self.teff_h, u_teff_h=self.u_teff_h, teff_change=self.teff_change)

    def require_regions(self, known: Iterable[str], decay: Radionuclide | None = None) -> None:
        """Refuse half-lives of regions that there are not, or longer than ``decay``: once the regions are known.

        Raises
        ------
        InputFileError
            Naming the key, the region, and those that there are.
        """
        for region, hours in self.teff_h.items():
            if decay is not None and hours > decay.half_life_h * (1 + 1e-9):
                key = f"dosimetry.teff_h.{region}" if region else "dosimetry.teff_h"
                raise InputFileError(
                    f"the case, '{key}' is {hours:g}, but must be at most {decay.half_life_h:.2f} h, the physical "
                    f"half-life of {decay.name}."
                )
        try:
            self.options().require_regions(known)
        except KineticsError as error:
            raise InputFileError(f"the case, 'dosimetry.teff_h' or 'u_teff_h': {error}") from error

    def require_tissues(self, known: Iterable[str]) -> None:
        """Refuse a radiosensitivity of what is no organ, not "lesions", and no region.

        Raises
        ------
        InputFileError
            Naming it, and what there is.
        """
        names = [*_SENSITIVE, *dict.fromkeys(known)]
        for name in self.tissues:
            if name not in names:
                raise InputFileError(
                    f"the case, 'dosimetry.tissues': '{name}' is no organ or region; there are {', '.join(names)}."
                )

    def resolution_mm(self, visit: VisitResult) -> float:
        """Full width at half maximum of a visit's emission image, stated here or by the protocol."""
        return self.image_fwhm_mm or visit.protocol.imaging.fwhm_mm


def with_rules(stated: Any, protocol: Protocol) -> Any:
    """What a case states of doses, with its protocol's rules of dose maps where it asks for a map and states no other.

    What is no object is given back, for the loader to refuse.
    """
    if not isinstance(stated, Mapping) or not stated.get("dose_map"):
        return stated
    rules = {key: value for key, value in protocol.dose_maps.items() if key != "transport"}
    if stated["dose_map"] == "transport" and "transport" in protocol.dose_maps:
        own = stated.get("transport", {})
        rules["transport"] = {**protocol.dose_maps["transport"], **own} if isinstance(own, Mapping) else own
        return {**stated, **{key: rules[key] for key in rules if key == "transport" or key not in stated}}
    return {**rules, **stated}


_SENSITIVE = ("kidneys", "liver", "spleen", "red marrow", "lesions")
OF_THE_FILE = ("ct_curve", "tissues")
"""Keys of `own_settings`: the panel has widgets for the others, or they need a case file."""


def own_settings(path: Path) -> DoseSettings:
    """Settings of a centre in a file of their own, for the panel: a CT curve, and radiosensitivities with EUD and TCP.

    It has the keys OF_THE_FILE as under ``dosimetry`` in a case file; only these are meant to be used.

    Raises
    ------
    InputFileError
        If it cannot be read, or has another key or an impossible value.
    """
    place = Place(file=path.name, base=path.parent)
    content = read_json_file(path, place)
    other = sorted(set(content) - set(OF_THE_FILE)) if isinstance(content, dict) else []
    if other:
        place.unknown(other[0], OF_THE_FILE)
    if isinstance(content, dict) and "ct_curve" in content:  # which the panel's method decides
        content = {**content, "dose_map": "local", "density": "ct"}
    return DoseSettings.from_case(content, path.parent, place)


def _curve(stated: str | Mapping[str, Any], place: Place) -> DensityCurve:
    if isinstance(stated, str):
        return shipped_curve(stated)
    try:
        return DensityCurve("own", stated["hounsfield"], stated["density_g_per_mL"], stated["source"])
    except DoseError as error:
        place.stop(f"{place.name}: {error}")


def _transforms(values: Mapping[str, Any], place: Place) -> dict[str, RegistrationRule]:
    found = {}
    for name, stated in values.items():
        where = place.key(name)
        rule = registration_rule(stated, where)
        if isinstance(rule, str) and rule != REGISTER:
            where.refuse(rule, "a transform file, a matrix or the identity with its reason: a dose map is not bent")
        if isinstance(rule, RegistrationRule):  # "register" is what happens to a visit that is not named
            found[name] = rule
    return found
