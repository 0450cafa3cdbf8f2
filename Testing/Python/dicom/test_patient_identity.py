"""The patient who was expected; no scan that counts twice, whatever its header says now."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from builders.dicom_builders import write_nm, write_slices
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.patient_identity import (
    ImageUse,
    check_expected_patient,
    check_used_once,
)
from PRRTUptakeLib.dicom.series import find_series
from pydicom.uid import generate_uid

COUNTS = np.random.default_rng(3).integers(0, 900, (4, 12, 12)).astype(np.uint16)


def scan(folder, values=COUNTS, **changes):
    write_nm(folder / "nm", values, changes=changes)
    return find_series(folder)[0]


def test_the_expected_patient(tmp_path):
    one = scan(tmp_path)
    check_expected_patient([one], "P1", "case.json")
    check_expected_patient([one], "", "case.json")
    with pytest.raises(DicomError, match=r"'P1' \(Test\^Patient\), but case\.json expects 'P2'"):
        check_expected_patient([one], "P2", "case.json")
    nameless = scan(tmp_path / "b", PatientID="")
    with pytest.raises(DicomError, match="is missing, but"):
        check_expected_patient([nameless], "P1", "case.json")


@pytest.mark.parametrize("other", [("P2", 1, "24h"), ("P1", 2, "24h"), ("P1", 1, "96h")])
def test_the_same_series_in_two_places(tmp_path, other):
    one = scan(tmp_path)
    with pytest.raises(DicomError, match=rf"used twice.*'24h' and patient {other[0]}.*Series Instance UID"):
        check_used_once([ImageUse.of("P1", 1, "24h", one), ImageUse.of(*other, one)])
    check_used_once([ImageUse.of("P1", 1, "24h", one), ImageUse.of("P1", 1, "24h", one)])  # one place


def test_a_copy_with_another_header(tmp_path):
    one = scan(tmp_path / "a")
    ds = pydicom.dcmread(one.files[0])
    ds.PatientID, ds.PatientName = "P2", "Other^Patient"
    ds.SeriesInstanceUID, ds.SOPInstanceUID = generate_uid(), generate_uid()
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    (tmp_path / "b").mkdir()
    ds.save_as(tmp_path / "b" / "nm")
    copy = find_series(tmp_path / "b")[0]
    with pytest.raises(DicomError, match="share pixels"):
        check_used_once([ImageUse.of("P1", 1, "24h", one), ImageUse.of("P2", 1, "24h", copy)])


def test_scans_that_share_empty_planes_are_two(tmp_path):
    first, second = COUNTS.astype(np.int16), COUNTS[::-1].astype(np.int16) + 3
    first[0] = second[0] = 0
    for name, values in (("a", first), ("b", second)):
        write_slices(tmp_path / name, values, "PT", changes={"InstanceCreationTime": name.encode().hex()})
    uses = [ImageUse.of(name, 1, "24h", find_series(tmp_path / name)[0]) for name in ("a", "b")]
    check_used_once(uses)


def test_two_noise_free_scans_may_share_planes_but_not_nearly_all(tmp_path):
    first, second, copy = (scan(tmp_path / name) for name in "abc")
    planes = [f"plane {number}" for number in range(20)]
    uses = [
        ImageUse("P1", 1, name, series.uid + name, frozenset({name}), frozenset(pixels))
        for name, series, pixels in (
            ("IA", first, planes),
            ("IV", second, planes[:12] + [f"lesion {k}" for k in range(8)]),
            ("96h", copy, [*planes[:19], "a plane that was cut"]),
        )
    ]
    check_used_once(uses[:2])
    with pytest.raises(DicomError, match=r"'IA' and .*'96h' share pixels"):
        check_used_once(uses)
