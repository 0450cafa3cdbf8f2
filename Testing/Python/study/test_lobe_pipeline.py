"""The first path as a user walks it: a folder of DICOM in, the lobe-against-lobe table out, against the known truth.

The figures to compare with are computed here a second time by other means: the phantom is sampled point by point, and
regions are laid over the SPECT by brute force.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from builders.another_scan import another_scan
from builders.voxel_truth import brute_mean, true_averages
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.report.study_report import study_text
from PRRTUptakeLib.study.measurements import read_csv
from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.uptake.metrics import region_metrics

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

SEED = 5
PLANS = [
    LesionPlan(46.0, "left", 1.1),
    LesionPlan(35.0, "left", 0.8),
    LesionPlan(40.0, "right", 1.0),
    LesionPlan(33.0, "right", 1.2),
    LesionPlan(20.0, "right", 1.0),
    LesionPlan(25.0, "none", 1.0),
]


@pytest.fixture(scope="module")
def patient():
    return synthetic_patient(SEED, lesions=PLANS, treated_lobe="left", gain=1.5)


@pytest.fixture(scope="module")
def sharp(tmp_path_factory, patient):
    """Case file and results of the patient without blur and noise."""
    return _run(tmp_path_factory.mktemp("sharp"), patient, blur=False)


@pytest.fixture(scope="module")
def blurred(tmp_path_factory, patient):
    return _run(tmp_path_factory.mktemp("blurred"), patient, blur=True)


def _run(folder, patient, blur):
    from PRRTUptakeLib.mrml.run import run_case

    case = write_synthetic_lutia(folder / "patient", seed=SEED, patient=patient, blur=blur, noise=False)
    return case, run_case(case, folder / "results").result.visits[0], folder / "results"


@pytest.fixture(scope="module")
def truth_image(sharp, patient):
    """The box around the liver: all that is compared is in it."""
    result = sharp[1]
    grid, source = result.image.grid, result.prepared.segmentation.grid
    liver = result.prepared.segmentation["liver"]
    ends = np.array([liver.origin, np.add(liver.origin, liver.mask.shape)])
    corners = grid.to_ijk(source.to_ras(np.array(np.meshgrid(*ends.T)).reshape(3, -1).T[:, ::-1]))[:, ::-1]
    low, high = np.floor(corners.min(axis=0)).astype(int) - 1, np.ceil(corners.max(axis=0)).astype(int) + 2
    return true_averages(patient, grid, tuple(slice(a, b) for a, b in zip(low, high, strict=True)))


def test_t_n_and_ratio_against_voxel_averaged_truth(sharp, truth_image):
    _, result, _ = sharp
    source, grid = result.prepared.segmentation.grid, result.image.grid
    assert len(result.targets) == 4
    for target, lesion in zip(result.targets, result.prepared.targets, strict=True):
        reference = result.prepared.references.region("same-lobe", target.lobe)
        tumour = brute_mean(truth_image, grid, lesion.segment, source)
        healthy = brute_mean(truth_image, grid, reference, source)
        assert target.tumour == pytest.approx(tumour, rel=0.005)
        assert target.reference == pytest.approx(healthy, rel=0.005)
        assert target.tn_ratio == pytest.approx(tumour / healthy, rel=0.005)


def test_lobe_values_and_treated_control_ratio(sharp):
    _, result, _ = sharp
    by_lobe = {lobe: [t.tn_ratio for t in result.targets if t.lobe == lobe] for lobe in ("left", "right")}
    means = {lobe: float(np.exp(np.mean(np.log(values)))) for lobe, values in by_lobe.items()}
    assert {lobe.lobe: lobe.tn_ratio for lobe in result.lobes} == pytest.approx(means)
    assert result.lobe_ratio == pytest.approx(means["left"] / means["right"])


def test_voxels_entirely_inside_a_lesion_give_its_true_uptake(sharp, patient):
    _, result, _ = sharp
    kept = tuple(lesion.segment for lesion in result.prepared.targets)
    segmentation = type(result.prepared.segmentation)(result.prepared.segmentation.grid, kept)
    metrics = region_metrics(result.image, segmentation, rule="entirely")
    assert len(metrics) == 4
    for target, lesion in zip(result.targets, result.prepared.targets, strict=True):
        true = _matching(patient, lesion, result).name
        expected = patient.concentration_Bq_per_mL(true, 24.0)
        assert metrics[target.lesion_id].mean == pytest.approx(expected, rel=0.001)


def _matching(patient, lesion, result):
    """The lesion of the truth whose centre is nearest."""
    segment = lesion.segment
    kji = np.argwhere(segment.mask).mean(axis=0) + segment.origin
    centre = result.prepared.segmentation.grid.to_ras(kji[::-1])
    return min(patient.lesions, key=lambda one: np.linalg.norm(np.array(one.centre_mm) - centre))


def test_lobes_and_diameters_match_the_anatomy(sharp, patient):
    _, result, _ = sharp
    for lesion in result.prepared.lesions:
        true = _matching(patient, lesion, result)
        assert lesion.segment.lobe == true.lobe
        assert lesion.size.longest_axial_mm == pytest.approx(true.diameter_mm, abs=1.5)
    assert [item.segment.name for item in result.prepared.lesions] == ["E1", "L1", "L2", "R1", "R2", "R3"]
    assert [item.decision.is_target for item in result.prepared.lesions] == [False, True, True, True, True, False]


def test_recovery_with_blur_agrees_with_a_blurred_sphere(blurred, patient):
    """Measured contrast recovery, the report's figure, and theory: border voxels cost a little beyond the blur."""
    _, result, _ = blurred
    liver = {lobe: patient.concentration_Bq_per_mL(f"liver_{lobe}", 24.0) for lobe in ("left", "right")}
    for target, lesion in zip(result.targets, result.prepared.targets, strict=True):
        true = patient.concentration_Bq_per_mL(_matching(patient, lesion, result).name, 24.0)
        background = liver[target.lobe]
        measured = (target.tumour - background) / (true - background)
        assert target.recovery == pytest.approx(measured, abs=0.03)
        assert target.sphere_recovery == pytest.approx(measured, abs=0.05)


def test_report_states_recovery_and_is_self_contained(blurred):
    _, result, folder = blurred
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page), "the report must not need any other file"
    for target in result.targets:
        assert f'<td class="number">{target.recovery:#.4g}</td>' in page
        assert f'<td class="number">{target.border_recovery:#.4g}</td>' in page
    assert page.count("<figure>") == 3 * len(result.targets)
    assert "research use only" in page.lower()


def test_measurements_in_long_form(sharp):
    _, result, folder = sharp
    with (folder / "measurements.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0])[:11] == (
        ["patient", "cycle", "visit", "image", "region", "role", "lobe", "lesion", "metric", "value", "unit"]
    )
    ratios = {row["lesion"]: float(row["value"]) for row in rows if row["metric"] == "tn_ratio"}
    assert ratios == {target.lesion_id: target.tn_ratio for target in result.targets}
    (ratio,) = [float(row["value"]) for row in rows if row["metric"] == "treated_control_ratio"]
    assert ratio == result.lobe_ratio


def test_scene_opens_with_names_tags_and_units(scene, sharp):
    import slicer
    from PRRTUptakeLib.mrml.segmentations import segmentation_from_node
    from PRRTUptakeLib.mrml.volumes import volume_from_node

    _, result, folder = sharp
    assert scene.ReadFromMRB(str(folder / "patient.mrb"))
    image = volume_from_node(slicer.util.getNode("SPECT cycle 1 24h"))
    assert (image.units, image.quantity) == ("Bq/ml", "activity concentration")
    assert image.reference_time == result.image.reference_time
    node = slicer.util.getNode("Segments cycle 1 24h")
    opened = segmentation_from_node(node)
    assert [(s.name, s.role, s.lobe) for s in opened] == [
        (s.name, s.role, s.lobe) for s in result.prepared.segmentation
    ]
    assert opened["L1"].color == pytest.approx(result.prepared.segmentation["L1"].color, abs=1e-3)
    assert not node.GetSegmentation().ContainsRepresentation("Closed surface")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    assert hierarchy.GetItemName(study) == "cycle 1 24h"


def test_provenance_names_series_hashes_and_versions(sharp):
    import hashlib

    case, _, folder = sharp
    facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert {item["use"] for item in facts["series"]} == {"measured", "contours"}
    assert len(facts["files_sha256"]) > 100
    assert facts["files_sha256"]["case.json"] == hashlib.sha256(case.read_bytes()).hexdigest()
    assert {"python", "numpy", "pydicom"} <= set(facts["software"])


def test_three_lines_from_nodes_to_table(scene, sharp):
    from PRRTUptakeLib.mrml.inputs import Stated, images_to_measure, scene_study
    from PRRTUptakeLib.mrml.logic import UptakeLogic
    from PRRTUptakeLib.mrml.planes import node_from_plane
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.mrml.tables import rows_of_table
    from PRRTUptakeLib.mrml.volumes import node_from_volume
    from PRRTUptakeLib.segmentation.files import read_segment_folder

    case, result, _ = sharp
    image = node_from_volume(quantify(find_series(case.parent / "DICOM")[-1]).volume, "SPECT")
    segments = node_from_segmentation(read_segment_folder(case.parent / "segments"), "Segments")
    plane = node_from_plane(result.prepared.plane, "Lobe plane")
    logic = UptakeLogic(protocol="lutia")
    table = logic.measure(image, segments, plane, treatedLobe="left")
    rows = rows_of_table(table)
    assert logic.result.lobe_ratio == pytest.approx(result.lobe_ratio, rel=1e-6)
    assert {r["lesion"]: r["value"] for r in rows if r["metric"] == "tn_ratio"} == pytest.approx(
        {target.lesion_id: target.tn_ratio for target in result.targets}, rel=1e-5
    )  # a table node has six digits, as Slicer saves them
    corrected = Stated(patient="P", protocol=replace(result.protocol, partial_volume="gtm"))
    assert scene_study(images_to_measure([(image, "24h")], segments), corrected).input.partial_volume == "gtm"


def test_without_a_plane_the_lobes_part_at_gallbladder_and_vena_cava(sharp, tmp_path):
    from PRRTUptakeLib.mrml.run import run_case

    case, result, _ = sharp
    content = json.loads(case.read_text(encoding="utf-8"))
    del content["visits"][0]["lobe_plane"]
    other = case.with_name("automatic.json")
    other.write_text(json.dumps(content), encoding="utf-8")
    automatic = run_case(other, tmp_path / "out").result.visits[0]
    assert automatic.lobes[0].fraction == pytest.approx(result.lobes[0].fraction, abs=0.03)


def test_blinded_case_forms_no_treated_control_ratio(sharp, tmp_path, capsys):
    case, _result, _ = sharp
    content = json.loads(case.read_text(encoding="utf-8"))
    del content["treated_lobe"]
    other = case.with_name("blinded.json")
    other.write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(other), "-o", str(tmp_path / "out")]) == 0
    assert "treated/control" not in capsys.readouterr().out
    assert "treated_control" not in (tmp_path / "out" / "measurements.csv").read_text(encoding="utf-8")


def test_recovery_correction_is_next_to_the_measured_value(blurred, tmp_path, patient):
    """A phantom that behaves as theory says brings the corrected uptake near the truth; T/N itself stays as it was."""
    from PRRTUptakeLib.mrml.run import run_case
    from PRRTUptakeLib.uptake.partial_volume import sphere_mean_recovery

    case, result, _ = blurred
    content = json.loads(case.read_text(encoding="utf-8"))
    volumes_mL = [5.0, 12.0, 25.0, 50.0, 100.0]
    diameters = [(6000 * volume / np.pi) ** (1 / 3) for volume in volumes_mL]
    content["recovery_phantom"] = {
        "volumes_mL": volumes_mL,
        "recoveries": sphere_mean_recovery(diameters, 12.0).tolist(),
    }
    other = case.with_name("phantom.json")
    other.write_text(json.dumps(content), encoding="utf-8")
    again = run_case(other, tmp_path / "out").result.visits[0]
    assert again.lobe_ratio == result.lobe_ratio
    for target, lesion in zip(again.targets, again.prepared.targets, strict=True):
        true = patient.concentration_Bq_per_mL(_matching(patient, lesion, again).name, 24.0)
        assert target.corrected.uncorrected == target.tumour
        assert target.corrected.corrected == pytest.approx(true, rel=0.08)
    assert "T corrected" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_result_is_corrected_where_the_case_asks_for_it(blurred, tmp_path, patient):
    """T, N and T/N in text, report and table are those of the matrix, near the truth; measured ones are beside."""
    from PRRTUptakeLib.mrml.run import run_case

    case, measured, _ = blurred
    content = json.loads(case.read_text(encoding="utf-8"))
    other = case.with_name("gtm.json")
    other.write_text(json.dumps({**content, "partial_volume": "gtm"}), encoding="utf-8")
    outcome = run_case(other, tmp_path / "out").result
    again = outcome.visits[0]
    assert (measured.partial_volume, again.partial_volume) == ("none", "gtm")
    rows = {(r.region, r.metric): r for r in read_csv(tmp_path / "out" / "measurements.csv")}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert 0 < page.index("corrected for partial volume by the geometric transfer matrix") < page.index("T/N")
    text = "\n".join(study_text(outcome))
    for target, before, lesion in zip(again.targets, measured.targets, again.prepared.targets, strict=True):
        healthy = patient.concentration_Bq_per_mL(f"liver_{target.lobe}", 24.0)
        true = patient.concentration_Bq_per_mL(_matching(patient, lesion, again).name, 24.0) / healthy
        assert target.tn_ratio == pytest.approx(true, rel=0.08)
        assert target.tn_ratio == pytest.approx(target.tumour / target.reference)
        assert target.known.uncorrected.value == pytest.approx(before.tn_ratio)
        assert target.known.result.lower < true < target.known.result.upper
        assert before.known.result.lower < true < before.known.result.upper
        row, beside = rows[lesion.segment.name, "tn_ratio"], rows[lesion.segment.name, "tn_ratio_uncorrected"]
        assert (row.value, row.lower_95, row.upper_95) == (
            target.tn_ratio,
            target.known.result.lower,
            target.known.result.upper,
        )
        assert beside.value == pytest.approx(before.tn_ratio)
        assert f"{row.lower_95:#.3g} to {row.upper_95:#.3g}" in text
        assert f"{row.lower_95:#.3g} to {row.upper_95:#.3g}" in page
    assert again.lobe_ratio == rows["patient", "treated_control_ratio"].value
    assert again.known_ratio.uncorrected.value == pytest.approx(measured.lobe_ratio)
    assert {lobe.lobe: lobe.tn_ratio for lobe in again.lobes if lobe.tn_ratio} == {
        lobe: rows[f"{lobe} lobe", "tn_ratio_aggregated"].value for lobe in ("left", "right")
    }
    assert not any("not corrected" in text for text in again.warnings)
    assert "nan" not in (tmp_path / "out" / "measurements.csv").read_text(encoding="utf-8")


def test_a_report_without_correction_says_so_first_and_has_the_loss_in_its_intervals(blurred):
    _, result, folder = blurred
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert 0 < page.index("not corrected for partial volume") < page.index("T/N,")
    assert "In the 95 % intervals are: " in page
    for target in result.targets:
        assert f"{target.known.result.lower:#.3g} to {target.known.result.upper:#.3g}" in page
        assert f'<td class="number">{target.known.corrected.value:#.4g}</td>' in page


def test_a_correction_that_is_impossible_is_refused(sharp):
    from PRRTUptakeLib.study.errors import StudyError
    from PRRTUptakeLib.study.visit import VisitLabels, measure_visit

    _, result, _ = sharp
    labels = VisitLabels("P", 1, "24h", "SPECT")
    with pytest.raises(StudyError, match=r"'24h' cannot be corrected.*'recovery' is asked for.*no phantom"):
        measure_visit(result.prepared, result.image, result.protocol, labels, partial_volume="recovery")


def test_a_target_replaced_by_the_user_keeps_its_reason(sharp, tmp_path):
    from PRRTUptakeLib.mrml.run import run_case
    from PRRTUptakeLib.resources import resource_path
    from PRRTUptakeLib.study import protocol

    case, _, _ = sharp
    content = json.loads(case.read_text(encoding="utf-8"))
    rules = json.loads(resource_path(protocol.__file__, "Protocols", "lutia.json").read_text(encoding="utf-8"))
    rules["targets"]["maximum_per_lobe"] = 1
    case.with_name("one-per-lobe.json").write_text(json.dumps(rules), encoding="utf-8")
    content["protocol"] = "one-per-lobe.json"
    content["visits"][0]["targets"] = [{"dropped": "R1", "chosen": "R2", "reason": "R1 is necrotic"}]
    other = case.with_name("replaced.json")
    other.write_text(json.dumps(content), encoding="utf-8")
    again = run_case(other, tmp_path / "out").result.visits[0]
    assert [target.lesion_id for target in again.targets] == ["L1", "R2"]
    assert "R1 is necrotic" in again.prepared.segmentation["R2"].tags["PRRT.Reason"]
    assert "R1 is necrotic" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_curved_cut_through_markups_points(scene, sharp):
    """Points on the true plane part the lobes as the plane does."""
    from PRRTUptakeLib.mrml.errors import NodeError
    from PRRTUptakeLib.mrml.logic import UptakeLogic
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.mrml.volumes import node_from_volume
    from PRRTUptakeLib.segmentation.files import read_segment_folder

    case, result, _ = sharp
    plane = result.prepared.plane
    across = np.cross(plane.normal_ras, [0.0, 0.0, 1.0])
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsCurveNode", "Cut")
    for along, up in ((-40, 0), (0, 40), (40, 0), (60, 30), (0, -40)):
        points.AddControlPoint(*(plane.origin_ras + along * across + np.array([0, 0, up])))
    image = node_from_volume(result.image, "SPECT")
    segments = node_from_segmentation(read_segment_folder(case.parent / "segments"), "Segments")
    logic = UptakeLogic(protocol="lutia")
    prepared = logic.prepare(image, segments, points)
    assert [lobe.fraction for lobe in prepared.lobes] == pytest.approx(
        [lobe.fraction for lobe in result.prepared.lobes], abs=0.005
    )
    points.RemoveAllControlPoints()
    with pytest.raises(NodeError, match="at least three"):
        logic.prepare(image, segments, points)


def test_a_second_run_replaces_the_first_and_foreign_files_are_safe(sharp, tmp_path, capsys):
    case, _, _ = sharp
    out = tmp_path / "out"
    assert main(["run", str(case), "-o", str(out)]) == 0
    assert main(["run", str(case), "-o", str(out)]) == 0
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("keep", encoding="utf-8")
    assert main(["run", str(case), "-o", str(foreign)]) == 1
    assert (foreign / "thesis.txt").read_text(encoding="utf-8") == "keep"


def test_segments_may_come_as_nrrd_from_slicer(scene, sharp, tmp_path):
    from PRRTUptakeLib.mrml.run import run_case
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, write_segmentation_file
    from PRRTUptakeLib.segmentation.files import read_segment_folder

    case, result, _ = sharp
    node = node_from_segmentation(read_segment_folder(case.parent / "segments"), "drawn")
    write_segmentation_file(node, case.parent / "drawn.seg.nrrd")
    content = json.loads(case.read_text(encoding="utf-8"))
    content["visits"][0]["segments"] = "drawn.seg.nrrd"
    other = case.with_name("nrrd.json")
    other.write_text(json.dumps(content), encoding="utf-8")
    assert run_case(other, tmp_path / "out").result.visits[0].lobe_ratio == pytest.approx(result.lobe_ratio, rel=1e-6)


def test_masks_turned_by_a_converter_give_the_same(sharp, tmp_path):
    """dcm2niix and others store rows or slices the other way round; the voxels are the same."""
    from PRRTUptakeLib.mrml.run import run_case

    case, result, _ = sharp
    turned = case.parent / "turned"
    turned.mkdir()
    for path in (case.parent / "segments").glob("*.nii.gz"):
        sitk.WriteImage(sitk.Flip(sitk.ReadImage(str(path)), [False, True, True]), str(turned / path.name))
    content = json.loads(case.read_text(encoding="utf-8"))
    content["visits"][0]["segments"] = "turned"
    other = case.with_name("turned.json")
    other.write_text(json.dumps(content), encoding="utf-8")
    again = run_case(other, tmp_path / "out").result.visits[0]
    assert again.lobe_ratio == pytest.approx(result.lobe_ratio, rel=1e-6)


def test_complete_response(sharp, tmp_path):
    """At the follow-up every lesion is gone: there is no T/N to report, but a response."""
    from PRRTUptakeLib.mrml.run import run_case

    case_file, result, _ = sharp
    healthy = tmp_path / "healthy"
    shutil.copytree(case_file.parent / "segments", healthy, ignore=shutil.ignore_patterns("*lesions*"))
    content = json.loads(case_file.read_text())
    (first,) = content["visits"]
    first = {**first, **{key: str(case_file.parent / first[key]) for key in ("dicom", "segments")}}
    gone = [one.lesion.lesion_id for one in result.prepared.lesions]
    dicom = another_scan(case_file.parent / first["dicom"], tmp_path / "later")
    later = {**first, "visit": "Follow-up 6 months", "dicom": str(dicom), "segments": str(healthy), "vanished": gone}
    (tmp_path / "case.json").write_text(json.dumps({**content, "visits": [first, later]}))
    outcome = run_case(tmp_path / "case.json", tmp_path / "out").result
    table = read_csv(tmp_path / "out" / "measurements.csv")
    assert {row.visit for row in table if row.metric == "tn_ratio"} == {"24h"}
    (change,) = (row for row in table if row.metric == "recist_change" and row.region == "patient")
    assert (change.visit, change.value) == ("Follow-up 6 months", -100.0)
    assert any("No target lesion is left" in text for text in study_text(outcome))
    assert "No target lesion is left" in (tmp_path / "out" / "report.html").read_text()
