"""`prrt check`: everything about a case that can be known without measuring it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from builders.stub_cohort import make, write_cases
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.check import attenuation_of, check_case
from PRRTUptakeLib.study.cohort.check import overlaps
from PRRTUptakeLib.study.segment_names import segment_names
from PRRTUptakeLib.synthetic.cases import write_synthetic_ia_versus_iv, write_synthetic_lutia
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
from PRRTUptakeLib.synthetic.phantom import synthetic_patient


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    plans = [LesionPlan(36.0, "left"), LesionPlan(36.0, "right")]
    folder = tmp_path_factory.mktemp("checked") / "patient"
    patient = synthetic_patient(11, lesions=plans)
    write_synthetic_lutia(folder, seed=11, patient=patient, blur=False, noise=False)
    return folder


@pytest.fixture
def case(original, tmp_path):
    return shutil.copytree(original, tmp_path / "one" / "patient") / "case.json"


def changed(case, change):
    content = json.loads(case.read_text(encoding="utf-8"))
    change(content)
    case.write_text(json.dumps(content), encoding="utf-8")
    return case


def dicom_of(case, modality):
    paths = [path for path in (case.parent / "DICOM").rglob("*") if path.is_file()]
    return [path for path in paths if pydicom.dcmread(path, stop_before_pixels=True).Modality == modality]


def edited(path, change):
    header = pydicom.dcmread(path)
    change(header)
    header.save_as(path)


def test_what_is_listed(original, capsys):
    truth = json.loads((original / "truth.json").read_text(encoding="utf-8"))
    assert main(["check", str(original / "case.json"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (visit,) = found["visits"]
    assert found["problems"] == []
    assert visit["series"].startswith("NM series")
    assert visit["hours"] == pytest.approx(24.0, abs=0.01)
    assert visit["activity_MBq"] == pytest.approx(7400.0, rel=1e-6)
    assert (visit["nuclide"], visit["attenuation"]) == ("Lu-177", "corrected")
    assert "portal venous" in visit["contours"]
    assert {"name": "liver", "structure": "liver"} in visit["segments"]
    assert any(truth["treated_lobe"] in sentence for sentence in found["measured"])


def test_nothing_is_written(case):
    before = sorted(path for path in case.parent.parent.rglob("*"))
    check_case(case)
    assert sorted(path for path in case.parent.parent.rglob("*")) == before


@pytest.mark.slow
def test_both_routes(tmp_path):
    folder = tmp_path / "pet"
    case = write_synthetic_ia_versus_iv(folder, seed=3, blur=False, noise=False)
    found = check_case(case)
    assert found.all_problems == ()
    assert [bool(one.series) for one in found.visits] == [False, True, True]
    assert [one.nuclide for one in found.visits[1:]] == ["Ga-68", "Ga-68"]
    changed(case, lambda c: c["visits"][2].update(route="intra-arterial"))
    assert "one visit with the route IA, but has 2" in " ".join(check_case(case).all_problems)
    changed(case, lambda c: c["visits"][2].update(route="intravenous", dicom="IA/DICOM"))
    assert "measure the same series" in " ".join(check_case(case).all_problems)


def test_counts_without_a_calibration_and_with_one(case):
    """The case file can state what the header lacks; the concentration follows, here only whether it can be had."""
    (path,) = dicom_of(case, "NM")
    edited(path, lambda ds: ds.__delattr__("RealWorldValueMappingSequence"))
    assert "calibration" in " ".join(check_case(case).all_problems)
    stated = {"calibration_cps_per_MBq": 100, "calibration_time": "total", "acquisition_s": 1200, "reason": "phantom"}
    changed(case, lambda c: c["visits"][0].update(quantification=stated))
    assert check_case(case).all_problems == ()


def test_attenuation(case):
    (path,) = dicom_of(case, "NM")
    edited(path, lambda ds: setattr(ds, "CorrectedImage", ["DECY", "SCAT"]))
    found = check_case(case).visits[0]
    assert found.attenuation == "not corrected"
    assert "ttenuation" in " ".join(found.warnings)
    edited(path, lambda ds: ds.__delattr__("CorrectedImage"))
    assert check_case(case).visits[0].attenuation == "not stated"
    assert attenuation_of.__doc__


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda case: (case.parent / "segments" / "liver.nii.gz").unlink(), "No segment is a liver"),
        (lambda case: shutil.rmtree(case.parent / "DICOM" / "x", ignore_errors=True) or empty(case), "no DICOM series"),
        (lambda case: changed(case, lambda c: c.update(expected_patient_id="ELSE")), "'expected_patient_id' is 'ELSE'"),
        (lambda case: edited_lesions(case, lambda array: array * 0), "liver_lesions.nii.gz is empty"),
        (lambda case: dicom_of(case, "CT")[40].unlink(), "missing"),
    ],
)
def test_problems_end_with_status_1(case, capsys, spoil, words):
    spoil(case)
    assert main(["check", str(case)]) == 1
    said = capsys.readouterr()
    assert words in said.out, said.out
    assert said.err.startswith("prrt check: The case cannot be measured as it is")
    assert "Traceback" not in said.err


def test_a_mask_on_another_grid_is_a_warning(case):
    """It is resampled by a run, which refuses it only if its volume changes."""
    edited_lesions(case, lambda array: array, spacing=1.1)
    assert any("liver_lesions.nii.gz is on another grid" in one for one in check_case(case).visits[0].warnings)


def empty(case):
    shutil.rmtree(case.parent / "DICOM")
    (case.parent / "DICOM").mkdir()


def edited_lesions(case, change, spacing=1.0):
    path = case.parent / "segments" / "liver_lesions.nii.gz"
    image = sitk.ReadImage(str(path))
    new = sitk.GetImageFromArray(change(sitk.GetArrayFromImage(image)).astype(np.uint8))
    new.CopyInformation(image)
    new.SetSpacing([one * spacing for one in image.GetSpacing()])
    sitk.WriteImage(new, str(path))


def test_names_of_segments_of_other_files(original, tmp_path):
    """A .seg.nrrd as Slicer writes its header, and a structure set, are listed without voxels."""
    image = sitk.Image(4, 4, 4, sitk.sitkUInt8)
    for number, name in enumerate(("liver", "liver_lesions", "something")):
        image.SetMetaData(f"Segment{number}_Name", name)
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    found = segment_names(tmp_path / "a.seg.nrrd")
    assert found.names == ("liver", "liver_lesions", "something")
    assert (found.has_liver, found.lesions) == (True, ("liver_lesions",))
    assert "something" in found.unclear[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(PRRTError, match="holds no mask"):
        segment_names(tmp_path / "empty")
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkUInt8), str(tmp_path / "b.seg.nrrd"))
    with pytest.raises(PRRTError, match="names no segments"):
        segment_names(tmp_path / "b.seg.nrrd")


def test_names_of_dicom_segments(tmp_path):
    """Structures of an RTSTRUCT and segments of a SEG, with the patients that they name."""

    def item(**values):
        found = pydicom.Dataset()
        for key, value in values.items():
            setattr(found, key, value)
        return found

    structures = [item(ROINumber=1, ROIName="liver"), item(ROINumber=2, ROIName="metastasis 1")]
    segments = [item(SegmentNumber=1, SegmentLabel="Spleen")]
    for name, storage, sequence, items in (
        ("a.dcm", "1.2.840.10008.5.1.4.1.1.481.3", "StructureSetROISequence", structures),
        ("b.dcm", "1.2.840.10008.5.1.4.1.1.66.4", "SegmentSequence", segments),
    ):
        meta = pydicom.dataset.FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = storage, pydicom.uid.ExplicitVRLittleEndian
        meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        ds = pydicom.dataset.FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientID = storage, meta.MediaStorageSOPInstanceUID, f"P-{name[0]}"
        setattr(ds, sequence, pydicom.Sequence(items))
        if sequence == "SegmentSequence":
            ds.Rows, ds.Columns, ds.NumberOfFrames, ds.BitsAllocated, ds.SamplesPerPixel = 1, 8, 1, 1, 1
            ds.PixelData = b"\0\0"
        ds.save_as(tmp_path / name, enforce_file_format=True)
    found = segment_names(tmp_path)
    assert found.names == ("liver", "metastasis 1", "Spleen")
    assert (found.has_liver, found.lesions, found.patients) == (True, ("metastasis 1",), ("P-a", "P-b"))
    assert segment_names(tmp_path / "b.dcm").names == ("Spleen",)


def test_a_cohort(case, capsys):
    """Two cases of one patient id and visit, of one series for two patients, and one that is no case."""
    folder = case.parent.parent
    assert main(["check", str(folder)]) == 0
    assert "1 of 1 cases are ready" in capsys.readouterr().out
    twin = shutil.copytree(case.parent, folder / "twin") / "case.json"
    assert main(["check", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "both have the patient id" in said
    assert "measure the same series" in said
    changed(twin, lambda c: c.update(patient="P2", treated_lobe=3))
    assert main(["check", str(folder), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert "'treated_lobe' is 3" in found["unusable"]["twin"]
    changed(twin, lambda c: c.update(treated_lobe="left"))
    assert main(["check", str(folder)]) == 1
    assert "for two patients" in capsys.readouterr().out


def test_a_cohort_is_refused_before_anything_is_measured(tmp_path):
    """The visits of one patient may be in several case files, each visit once."""
    cases = write_cases(tmp_path, count=3)

    def state(name, patient, cycle):
        visit = {"visit": "24h", "cycle": cycle, "dicom": "."}
        path = cases / name / "case.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "patient": patient, "visits": [visit]}))

    state("P00", "X", 1)
    state("P01", "X", 2)
    paths = {name: cases / name / "case.json" for name in ("P00", "P01", "P02")}
    assert overlaps(paths) == ()
    state("P01", "X", 1)
    with pytest.raises(PRRTError, match=r"'P00' and 'P01' both have the patient id 'X' with visit '24h' of cycle 1"):
        make(cases, tmp_path / "out")
    assert not (tmp_path / "started.txt").exists()
    assert not (tmp_path / "out").exists()


def test_two_patients_with_one_folder_of_images(tmp_path):
    cases = write_cases(tmp_path, count=2)
    for name in ("P00", "P01"):
        path = cases / name / "case.json"
        visit = {"visit": "24h", "cycle": 1, "dicom": "../P00"}
        path.write_text(json.dumps({**json.loads(path.read_text()), "visits": [visit]}))
    (sentence,) = overlaps({name: cases / name / "case.json" for name in ("P00", "P01")})
    assert "name the same images" in sentence
    assert "'P00' and 'P01'" in sentence


def test_what_a_run_refuses_of_masks_and_ct_is_a_problem(case):
    spleen = case.parent / "segments" / "spleen.nii.gz"
    head = "NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: 1 1 1\nencoding: raw\n\n"
    spleen.with_name("spleen.nrrd").write_bytes(head.encode() + b"\1")
    spleen.unlink()
    for path in dicom_of(case, "CT"):
        edited(path, lambda header: setattr(header, "RescaleType", "ED"))
    problems = " ".join(check_case(case).all_problems)
    assert "spleen.nrrd does not say where its voxels are in the patient" in problems
    assert "holds no Hounsfield units: choose the CT in HU" in problems


def cut_in_half(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def in_fractions(path):
    image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkFloat32)
    image[0, 0, 0], image[1, 0, 0] = 0.3, 0.7
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("spoil", [cut_in_half, in_fractions])
def test_masks_of_organs_that_a_run_refuses(case, spoil, capsys):
    spoil(case.parent / "segments" / "kidney_left.nii.gz")
    (problem,) = check_case(case).visits[0].problems
    assert problem.startswith("kidney_left.nii.gz is ")
    assert main(["run", str(case), "-o", str(case.parent / "out")]) == 1
    assert problem in capsys.readouterr().err


@pytest.fixture(scope="module")
def with_objects(original, tmp_path_factory):
    """The case with its segments as a DICOM SEG and an RT Structure Set beside the folder of masks."""
    folder = shutil.copytree(original, tmp_path_factory.mktemp("objects") / "patient")
    assert main(["run", str(folder / "case.json"), "-o", str(folder / "out"), "--dicom", "--rtstruct"]) == 0
    for kind in ("SEG", "RTSTRUCT"):
        (made,) = (folder / "out").rglob(f"{kind}.dcm")
        made.rename(folder / f"{kind}.dcm")
    shutil.rmtree(folder / "out")
    return folder


def without_places(header):
    for group in header.PerFrameFunctionalGroupsSequence:
        del group.PlanePositionSequence


def cut_short(header):
    header.PixelData = header.PixelData[:-100]


def as_points(header):
    for structure in header.ROIContourSequence:
        for contour in structure.ContourSequence:
            contour.ContourGeometricType = "POINT"


def of_another(header):
    header.PatientID = "P-other"


@pytest.mark.slow
class TestDicomSegments:
    def checked(self, folder, tmp_path, kind, change=None, **keys):
        case = shutil.copytree(folder, tmp_path / "patient") / "case.json"
        if change is not None:
            edited(case.parent / f"{kind}.dcm", change)
        changed(case, lambda content: content["visits"][0].update(segments=f"{kind}.dcm"))
        changed(case, lambda content: content.update(keys))
        return case, check_case(case)

    @pytest.mark.parametrize("kind", ["SEG", "RTSTRUCT"])
    def test_those_that_can_be_read_pass(self, with_objects, tmp_path, kind):
        _, found = self.checked(with_objects, tmp_path, kind)
        assert found.all_problems == ()
        assert "portal venous" in found.visits[0].contours
        assert ("liver", "liver") in found.visits[0].segments

    @pytest.mark.parametrize(
        ("kind", "change"),
        [("SEG", without_places), ("SEG", cut_short), ("RTSTRUCT", as_points), ("SEG", of_another)],
    )
    def test_what_a_run_refuses_the_check_refuses(self, with_objects, tmp_path, kind, change, capsys):
        case, found = self.checked(with_objects, tmp_path, kind, change)
        assert main(["run", str(case), "-o", str(tmp_path / "out")]) == 1
        (reason,) = [text for text in found.visits[0].problems if f"{kind}.dcm" in text]
        assert reason in capsys.readouterr().err

    def test_another_id_of_the_same_person(self, with_objects, tmp_path):
        _, found = self.checked(
            with_objects, tmp_path, "SEG", of_another, same_patient="the id was replaced for export"
        )
        assert found.all_problems == ()
        assert any("taken for one person: the id was replaced for export." in text for text in found.visits[0].warnings)
