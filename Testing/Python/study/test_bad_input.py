"""Wrong or missing input ends in one clear sentence and exit status 1, and nothing is left half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
from PRRTUptakeLib.synthetic.phantom import synthetic_patient


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    plans = [LesionPlan(36.0, "left"), LesionPlan(36.0, "right")]
    patient = synthetic_patient(11, lesions=plans)
    folder = tmp_path_factory.mktemp("bad") / "patient"
    write_synthetic_lutia(folder, seed=11, patient=patient, blur=False, noise=False)
    return folder


@pytest.fixture
def case(original, tmp_path):
    """A copy of the patient that a test may spoil."""
    return shutil.copytree(original, tmp_path / "patient") / "case.json"


def files_of(case, modality):
    """DICOM files of one modality, by series description, in the order of their names."""
    found = {}
    for path in sorted((case.parent / "DICOM").rglob("*")):
        if path.is_file():
            header = pydicom.dcmread(path, stop_before_pixels=True)
            if header.Modality == modality:
                found.setdefault(header.SeriesDescription, []).append(path)
    return found


def check_refused(case, tmp_path, capsys, *words):
    """Run the case, expect status 1, one sentence with these words, and no trace of output."""
    before = {path.name for path in tmp_path.iterdir()}
    assert main(["run", str(case), "-o", str(tmp_path / "out")]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("prrt run: ")]
    assert len(lines) == 1
    assert len(lines[0]) < 400
    for word in words:
        assert word in lines[0], lines[0]
    assert {path.name for path in tmp_path.iterdir()} == before


def contrast_ct(case):
    return files_of(case, "CT")["CT abdomen portal venous"]


def test_the_unspoilt_patient_is_fine(case, tmp_path):
    assert main(["run", str(case), "-o", str(tmp_path / "out")]) == 0


def test_empty_folder(case, tmp_path, capsys):
    shutil.rmtree(case.parent / "DICOM")
    (case.parent / "DICOM").mkdir()
    check_refused(case, tmp_path, capsys, "DICOM", "no DICOM series")


def test_slice_missing(case, tmp_path, capsys):
    contrast_ct(case)[40].unlink()
    check_refused(case, tmp_path, capsys, "missing")


def test_two_series_mixed(case, tmp_path, capsys):
    """A slice of the low-dose CT has the contrast CT's series UID, as happens in careless anonymisation."""
    native, contrast = files_of(case, "CT")["CT low dose"], contrast_ct(case)
    uid = pydicom.dcmread(contrast[0], stop_before_pixels=True).SeriesInstanceUID
    for path in native:
        header = pydicom.dcmread(path)
        header.SeriesInstanceUID = uid
        header.save_as(path)
    check_refused(case, tmp_path, capsys, "series")


def test_two_patients_mixed(case, tmp_path, capsys):
    path = contrast_ct(case)[3]
    header = pydicom.dcmread(path)
    header.PatientID = "SOMEBODY-ELSE"
    header.save_as(path)
    check_refused(case, tmp_path, capsys, "SOMEBODY-ELSE")


def test_nm_without_calibration(case, tmp_path, capsys):
    ((path,),) = files_of(case, "NM").values()
    header = pydicom.dcmread(path)
    del header.RealWorldValueMappingSequence
    header.save_as(path)
    check_refused(case, tmp_path, capsys, "calibration")


def test_ct_and_spect_do_not_overlap(case, tmp_path, capsys):
    ((path,),) = files_of(case, "NM").values()
    header = pydicom.dcmread(path)
    for detector in header.DetectorInformationSequence:
        detector.ImagePositionPatient = [float(x) + 900.0 for x in detector.ImagePositionPatient]
    header.save_as(path)
    check_refused(case, tmp_path, capsys, "outside")


def test_no_liver(case, tmp_path, capsys):
    (case.parent / "segments" / "liver.nii.gz").unlink()
    check_refused(case, tmp_path, capsys, "no liver")


def test_no_lesions(case, tmp_path, capsys):
    (case.parent / "segments" / "liver_lesions.nii.gz").unlink()
    check_refused(case, tmp_path, capsys, "lesion")


def test_no_lesion_above_30_mm(case, tmp_path, capsys):
    path = case.parent / "segments" / "liver_lesions.nii.gz"
    image = sitk.ReadImage(str(path))
    sitk.WriteImage(sitk.BinaryErode(image, (5, 5, 2)), str(path))
    check_refused(case, tmp_path, capsys, "30 mm")


def test_truncated_file(case, tmp_path, capsys):
    path = contrast_ct(case)[10]
    path.write_bytes(path.read_bytes()[:-5000])
    check_refused(case, tmp_path, capsys, path.name)


def test_truncated_spect(case, tmp_path, capsys):
    ((path,),) = files_of(case, "NM").values()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    check_refused(case, tmp_path, capsys, path.name)


def test_segments_on_different_grids(case, tmp_path, capsys):
    path = case.parent / "segments" / "spleen.nii.gz"
    image = sitk.ReadImage(str(path))
    image.SetSpacing([2.0, 2.0, 3.0])
    sitk.WriteImage(image, str(path))
    check_refused(case, tmp_path, capsys, "spleen", "grid")


def test_plane_misses_the_liver(case, tmp_path, capsys):
    content = json.loads(case.read_text(encoding="utf-8"))
    content["visits"][0]["lobe_plane"] = {"origin_ras_mm": [500, 0, 0], "normal_ras": [-1, 0, 0]}
    case.write_text(json.dumps(content), encoding="utf-8")
    check_refused(case, tmp_path, capsys, "misses the liver")


def test_nan_in_the_image_is_named(case, tmp_path, capsys):
    """A slope that is not finite would make every voxel nan."""
    ((path,),) = files_of(case, "NM").values()
    header = pydicom.dcmread(path)
    header.RealWorldValueMappingSequence[0].RealWorldValueSlope = float("nan")
    header.save_as(path)
    check_refused(case, tmp_path, capsys, "Real World Value Slope")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.pop("patient"), "patient"),
        (lambda c: c.update(protocol="lutiaa"), "lutiaa"),
        (lambda c: c.update(treated_lobe="middle"), "middle"),
        (lambda c: c.update(sponsor="x"), "sponsor"),
        (lambda c: c["visits"][0].update(cycle=0), "cycle"),
        (lambda c: c["visits"][0].update(dicom="nowhere"), "nowhere"),
        (lambda c: c["visits"][0]["lobe_plane"].update(normal_ras=[0, 0, 0]), "lobe_plane"),
        (lambda c: c.update(visits=[]), "visits"),
    ],
)
def test_case_file_mistakes_are_named(case, tmp_path, capsys, change, word):
    content = json.loads(case.read_text(encoding="utf-8"))
    change(content)
    case.write_text(json.dumps(content), encoding="utf-8")
    check_refused(case, tmp_path, capsys, word)


def test_case_file_that_is_not_json(case, tmp_path, capsys):
    case.write_text("{", encoding="utf-8")
    check_refused(case, tmp_path, capsys, "case.json")


def test_only_one_lobe_has_targets(case, tmp_path, capsys):
    """Not an error: the table is worth having; the ratio is not formed, and that is said."""
    path = case.parent / "segments" / "liver_lesions.nii.gz"
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    i = np.argwhere(array)[:, 2]
    array[:, :, : int(i.mean())] = 0
    one = sitk.GetImageFromArray(array)
    one.CopyInformation(image)
    sitk.WriteImage(one, str(path))
    assert main(["run", str(case), "-o", str(tmp_path / "out")]) == 0
    assert "no target lesion in the" in capsys.readouterr().out


def test_wrong_use_is_status_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run"])
    assert stop.value.code == 2
    assert "CASE.json" in capsys.readouterr().err


def test_output_that_nobody_reads_ends_quietly():
    """As with `prrt selftest | head -1`: no traceback, no sentence."""
    run = "sys.exit(main(['power', '--sd-log', '0.3', '--n', '20']))"
    code = f"import sys; from PRRTDosimetryLib.commands import main; {run}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, **pipes) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
