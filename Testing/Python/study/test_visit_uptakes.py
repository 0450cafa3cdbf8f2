"""A visit's regions made disjoint, and T/N, lobes and their ratio with intervals, on a made-up liver of two lobes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from PRRTDosimetryLib.dosimetry.concentrations import corrected_regions, cycle_concentrations, with_correction
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.reference import ReferenceSet
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.study.model import StudyInput
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.visit_uptakes import VisitResolution, _with_shared, disjoint_regions, visit_uptakes
from PRRTUptakeLib.uptake.occupancy import occupancy
from PRRTUptakeLib.uptake.partial_volume import FWHM_PER_SIGMA
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter

SPACING, FWHM_mm = 4.0, 12.0
T = {"L1": 40.0, "L2": 60.0, "R1": 30.0}
N = {"left": 2.0, "right": 2.5}


class _Prepared:
    """What ``visit_uptakes`` asks of a prepared visit."""

    def __init__(self, segmentation, references):
        self.segmentation, self.references = segmentation, references


@pytest.fixture(scope="module")
def visit():
    grid = Grid((48, 48, 56), np.diag([SPACING, SPACING, SPACING, 1.0]))
    k, j, i = np.ogrid[:48, :48, :56]

    def ball(centre, radius):
        return (k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2 <= radius**2

    liver = ((k - 24) / 18) ** 2 + ((j - 24) / 18) ** 2 + ((i - 28) / 24) ** 2 <= 1
    lesions = {"L1": ball((24, 28, 14), 4), "L2": ball((24, 17, 17), 3.5), "R1": ball((24, 24, 40), 5)}
    lobes = {"left": liver & (i < 28), "right": liver & (i >= 28)}
    hot = np.any(list(lesions.values()), axis=0)
    values = 0.4 + sum((N[name] - 0.4) * mask for name, mask in lobes.items())
    for name, mask in lesions.items():
        values = np.where(mask, T[name], values)
    image = Volume(gaussian_filter(values, FWHM_mm / FWHM_PER_SIGMA / SPACING), grid.ijk_to_ras)
    healthy = binary_erosion(liver, iterations=2) & ~binary_dilation(hot, iterations=3)
    sides = {"L1": "left", "L2": "left", "R1": "right"}
    targets = [Segment(name, mask, role="target", lobe=sides[name], lesion_id=name) for name, mask in lesions.items()]
    drawn = [Segment(f"{name} lobe", mask, role="lobe", lobe=name) for name, mask in lobes.items()]
    inner = {name: healthy & binary_erosion(mask, iterations=2) for name, mask in lobes.items()}
    references = {name: Segment(f"reference {name}", mask, role="reference", lobe=name) for name, mask in inner.items()}
    whole = Segment("reference whole", healthy, role="reference", lobe="none")
    organ = Segment("liver", liver, role="organ", structure="liver")
    segments = (organ, *drawn, *targets, *references.values(), whole)
    segmentation = Segmentation(grid, segments)
    prepared = _Prepared(segmentation, ReferenceSet(references, whole, None, {}))
    return prepared, {one.name: occupancy(one, grid, grid) for one in segmentation}, image


def found_with(visit, mode="none", **changes):
    resolution = VisitResolution(**{"mode": mode, "fwhm_mm": FWHM_mm, **changes})
    return visit_uptakes(*visit, resolution, name="24h")


def test_regions_are_disjoint_and_what_overlaps_is_left_out_with_a_reason(visit):
    prepared, placed, _ = visit
    chosen, left_out = disjoint_regions(
        prepared.segmentation, placed, {"left lobe": "reference left", "right lobe": "reference right"}
    )
    assert [region.name for region in chosen] == ["L1", "L2", "R1", "reference left", "reference right"]
    assert set(left_out) == {"left lobe", "right lobe", "liver", "reference whole"}
    assert "other regions" in left_out["liver"]


@pytest.mark.parametrize("mode", ["none", "gtm"])
def test_every_quantity_holds_the_truth(visit, mode):
    found = found_with(visit, mode)
    pairs = {name: f"reference {side}" for name, side in (("L1", "left"), ("L2", "left"), ("R1", "right"))}
    for name, reference in pairs.items():
        true = T[name] / N[reference.split()[1]]
        one = found.tn(name, reference)
        assert one.result.lower < true < one.result.upper
        assert one.corrected.value == pytest.approx(true, rel=0.02)
        assert one.uncorrected.value < 0.75 * true
        assert one.result == (one.corrected if mode == "gtm" else one.uncorrected)
    left = {name: pairs[name] for name in ("L1", "L2")}
    lobe = found.aggregated_tn(left, "geometric-mean")
    true = (T["L1"] * T["L2"]) ** 0.5 / N["left"]
    assert lobe.result.lower < true < lobe.result.upper
    both = found.lobe_ratio(left, {"R1": pairs["R1"]}, "geometric-mean")
    over = true / (T["R1"] / N["right"])
    assert both.result.lower < over < both.result.upper
    assert both.corrected.u / both.corrected.value < lobe.corrected.u / lobe.corrected.value  # the resolution cancels
    assert ("not corrected" in found.sentences[0]) == (mode == "none")


def test_what_targets_share_cancels_between_them(visit):
    """Own parts of two T/N make up what the draws say of their ratio, to the extent that rows can."""
    found = found_with(visit, "gtm")
    pairs = {name: f"reference {side}" for name, side in (("L1", "left"), ("L2", "left"), ("R1", "right"))}
    alone = {(name, "tn_ratio"): found.tn(name, reference) for name, reference in pairs.items()}
    shared = _with_shared(found, alone, pairs)
    parts = {name: shared[name, "tn_ratio"] for name in pairs}
    assert len({round(one.shared_u / one.result.value, 9) for one in parts.values()}) == 1
    own = [math.sqrt(one.result.u**2 - one.shared_u**2) / one.result.value for one in parts.values()]
    assert all(0 < mine < one.result.u / one.result.value for mine, one in zip(own, parts.values(), strict=True))
    drawn = found.lobe_ratio({"L1": pairs["L1"]}, {"R1": pairs["R1"]}, "geometric-mean").result
    assert math.hypot(own[0], own[2]) == pytest.approx(drawn.u / drawn.value, rel=0.35)


def test_a_region_without_an_interval_has_a_reason(visit):
    found = found_with(visit)
    assert found.covers("L1")
    assert "other regions" in found.reason("liver")
    assert "part of the healthy liver" in found.reason("reference whole")


def test_a_cycle_takes_its_concentrations_from_its_visits(visit):
    visits = [found_with(visit, "gtm"), found_with(visit, "gtm")]
    found = cycle_concentrations(["L1", "liver"], visits)
    assert set(found) == {"L1"}
    assert corrected_regions(["L1"], visits) == frozenset({"L1"})
    assert corrected_regions(["L1"], [found_with(visit)]) == frozenset()
    assert cycle_concentrations(["L1"], [visits[0], None]) == {}
    curve = Curve("L1", (24.0, 96.0), (10.0, 5.0), volume_mL=17.0)
    corrected = with_correction(curve, found["L1"])
    assert corrected.activity_MBq[0] / 10.0 == pytest.approx(T["L1"] / found["L1"][0].measured, rel=0.02)
    assert corrected.u_activity_MBq == ()
    stated = with_correction(Curve("L1", (24.0, 96.0), (10.0, 5.0), (0.2, 0.1), volume_mL=17.0), found["L1"])
    assert stated.u_activity_MBq[0] / stated.activity_MBq[0] == pytest.approx(0.02)


@pytest.mark.parametrize("stated", [{"image_fwhm_mm": 9.0}, DoseSettings(image_fwhm_mm=9.0)], ids=["case", "panel"])
def test_the_cameras_resolution_goes_before_the_protocols(stated):
    protocol = load_protocol("lutia")
    without = StudyInput(patient="P", protocol=protocol, visits=(), dosimetry={"model": "mono"})
    assert without.measuring_protocol is protocol
    measuring = replace(without, dosimetry=stated).measuring_protocol
    assert measuring.imaging == replace(protocol.imaging, fwhm_mm=9.0)
    assert measuring.sha256 == protocol.sha256
