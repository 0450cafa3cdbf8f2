"""The synthetic patient as DICOM: valid by dciodvfy, and read back with the geometry and the values that went in."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timedelta

import numpy as np
import pydicom
import pytest
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.writing import write_ct
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia
from PRRTUptakeLib.synthetic.nm_writing import write_nm
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.session import Session, radiopharmaceutical
from PRRTUptakeLib.synthetic.simulation import (
    CONTRAST_CT_GRID,
    LOW_DOSE_CT_GRID,
    SPECT_GRID,
    activity_image,
    tissue_image,
)


@pytest.fixture(scope="module")
def patient():
    return synthetic_patient(3, 2)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dicom") / "case"
    write_synthetic_lutia(folder, seed=3, index=2, noise=False)
    return sorted(path for path in (folder / "DICOM").rglob("*") if path.is_file())


def _series(files):
    by_number = {}
    for path in files:
        ds = pydicom.dcmread(path)
        by_number.setdefault(ds.SeriesNumber, []).append(ds)
    return by_number


def _errors(path):
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")]


def test_every_file_is_valid(files):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools): validity was NOT checked")
    assert len(files) == CONTRAST_CT_GRID.shape[0] + LOW_DOSE_CT_GRID.shape[0] + 1
    assert {path.name: errors for path in files if (errors := _errors(path))} == {}


def test_series_and_identity(files, patient):
    series = _series(files)
    assert {number: (slices[0].Modality, len(slices)) for number, slices in series.items()} == {
        2: ("CT", CONTRAST_CT_GRID.shape[0]),
        3: ("CT", LOW_DOSE_CT_GRID.shape[0]),
        4: ("NM", 1),
    }
    every = [ds for slices in series.values() for ds in slices]
    assert len({ds.SOPInstanceUID for ds in every}) == len(every)
    assert len({ds.SeriesInstanceUID for ds in every}) == 3
    assert len({ds.StudyInstanceUID for ds in every}) == len({ds.FrameOfReferenceUID for ds in every}) == 1
    assert {str(ds.PatientName) for ds in every} == {"PRRT^Synthetic"}
    assert {float(ds.PatientWeight) for ds in every} == {patient.weight_kg}
    assert "ContrastBolusAgent" in series[2][0]
    assert "ContrastBolusAgent" not in series[3][0]


@pytest.mark.parametrize(("number", "grid"), [(2, CONTRAST_CT_GRID), (3, LOW_DOSE_CT_GRID)])
def test_ct_comes_back_as_it_went_in(files, patient, number, grid):
    slices = sorted(_series(files)[number], key=lambda ds: float(ds.ImagePositionPatient[2]))
    array = np.stack([ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in slices])
    expected = tissue_image(patient, grid, "contrast_HU" if number == 2 else "native_HU").array
    assert np.abs(array - expected).max() <= 0.5 + 1e-3
    for k in (0, 17, len(slices) - 1):
        row, column = np.split(np.array(slices[k].ImageOrientationPatient, float), 2)
        dy, dx = map(float, slices[k].PixelSpacing)
        lps = np.array(slices[k].ImagePositionPatient, float) + 10 * dx * row + 5 * dy * column
        np.testing.assert_allclose(lps * [-1, -1, 1], grid.to_ras([10, 5, k]), atol=1e-4)


def test_spect_comes_back_in_becquerel_per_millilitre(files, patient):
    ds = _series(files)[4][0]
    assert list(ds.ImageType) == ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"]
    mapping = ds.RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "Bq/ml"
    array = ds.pixel_array * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept
    expected = activity_image(patient, SPECT_GRID, 24.0).array
    assert np.abs(array - expected).max() <= 0.51 * mapping.RealWorldValueSlope
    assert mapping.RealWorldValueSlope == pytest.approx(expected.max() / 65535)


def test_spect_geometry(files):
    ds = _series(files)[4][0]
    detector = ds.DetectorInformationSequence[0]
    row, column = np.split(np.array(detector.ImageOrientationPatient, float), 2)
    dy, dx = map(float, ds.PixelSpacing)
    step = float(ds.SpacingBetweenSlices) * np.cross(row, column)
    lps = np.array(detector.ImagePositionPatient, float) + 7 * dx * row + 3 * dy * column + 60 * step
    np.testing.assert_allclose(lps * [-1, -1, 1], SPECT_GRID.to_ras([7, 3, 60]), atol=1e-4)
    assert ds.NumberOfFrames == len(ds[0x0054, 0x0080].value) == SPECT_GRID.shape[0]
    assert ds.FrameIncrementPointer == 0x00540080


def test_spect_states_injection_and_times(files, patient):
    ds = _series(files)[4][0]
    drug = ds.RadiopharmaceuticalInformationSequence[0]
    injected = datetime.strptime(str(drug.RadiopharmaceuticalStartDateTime), "%Y%m%d%H%M%S.%f%z")
    assert injected == patient.injection.time
    assert float(drug.RadionuclideTotalDose) == pytest.approx(patient.injection.activity_MBq)  # MBq in NM
    scanned = datetime.strptime(ds.AcquisitionDate + ds.AcquisitionTime + ds.TimezoneOffsetFromUTC, "%Y%m%d%H%M%S.%f%z")
    assert scanned - injected == timedelta(hours=24)
    assert ds.DecayCorrection == "START"


def test_uids_and_bytes_follow_from_the_seed(tmp_path, files):
    write_synthetic_lutia(tmp_path / "again", seed=3, index=2, noise=False)
    for path in files[::40]:
        again = tmp_path / "again" / path.relative_to(path.parents[2])
        assert again.read_bytes() == path.read_bytes()


def test_an_oblique_volume_keeps_its_place(tmp_path, patient):
    angle = np.radians(25)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([-2.0, -2.0, 3.0])
    matrix[:3, 3] = [50.0, 60.0, -30.0]
    volume = Volume(np.arange(5 * 7 * 9).reshape(5, 7, 9), matrix, "attenuation", "[hnsf'U]")
    series = Session(patient, "oblique", 1.0, noise=False).series(9, "oblique", 0.0)
    ds = pydicom.dcmread(write_ct(volume, tmp_path, series)[3])
    row, column = np.split(np.array(ds.ImageOrientationPatient, float), 2)
    lps = np.array(ds.ImagePositionPatient, float) + 2 * 4 * row + 2 * 6 * column
    np.testing.assert_allclose(lps * [-1, -1, 1], volume.grid.to_ras([4, 6, 3]), atol=1e-4)
    assert ds.pixel_array[6, 4] == volume.array[3, 6, 4]


def test_what_dicom_cannot_hold_is_refused(tmp_path, patient):
    series = Session(patient, "bad", 1.0, noise=False).series(9, "bad", 0.0)
    drug = radiopharmaceutical(patient)
    ones = np.ones((3, 4, 5), np.float32)
    sheared = np.diag([-1.0, -1.0, 1.0, 1.0])
    sheared[0, 2] = 0.4
    with pytest.raises(DicomError, match="perpendicular"):
        write_ct(Volume(ones, sheared), tmp_path, series)
    with pytest.raises(DicomError, match="against the normal"):
        write_ct(Volume(ones, np.diag([-1.0, -1.0, -1.0, 1.0])), tmp_path, series)
    with pytest.raises(DicomError, match="Bq/ml"):
        write_nm(Volume(-ones, np.diag([-1.0, -1.0, 1.0, 1.0]), "activity", "Bq/ml"), tmp_path, series, drug)
    with pytest.raises(DicomError, match="finite"):
        write_ct(Volume(ones * np.nan, np.diag([-1.0, -1.0, 1.0, 1.0])), tmp_path, series)
    assert list(tmp_path.iterdir()) == []
