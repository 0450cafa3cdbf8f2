"""Every attribute of the standard's profile goes out without its value, at any depth of any object."""

from __future__ import annotations

import pytest
from PRRTUptakeLib.dicom.writing import item_of
from PRRTUptakeLib.export.confidentiality_profile import EMPTIED, KEPT, REMOVED, REPLACED
from PRRTUptakeLib.export.deidentify import Deidentifier
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

KEY = bytes(range(32))
SECRET = "ZZTOP99"


def value_for(keyword):
    """An identifying value by the value representation."""
    kind = dictionary_VR(tag_for_keyword(keyword))
    if kind == "SQ":
        return [item_of(CodeValue=SECRET, CodeMeaning=SECRET)]
    if kind in ("OB", "UN", "OW"):
        return SECRET.encode() + b"0"
    return {"DS": "99.77", "AS": "099Y", "US": 997, "DA": "19770907", "IS": "9977", "CS": SECRET}.get(kind, SECRET)


def an_object():
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientID, ds.PatientName = (
        "1.2.840.10008.5.1.4.1.1.481.2",
        "1.9.9",
        "P1",
        "A^B",
    )
    return ds


def words_of(ds):
    return "\n".join(str(element) for element in ds.iterall())


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("group", [REMOVED, EMPTIED, REPLACED], ids=["removed", "emptied", "replaced"])
def test_no_attribute_of_the_profile_keeps_its_value(group, depth):
    ds = an_object()
    holder = ds
    for _ in range(depth):
        inner = Dataset()
        holder.ContributingEquipmentSequence = [inner]
        holder = inner
    for keyword in sorted(group):
        setattr(holder, keyword, value_for(keyword))
    assert SECRET in words_of(ds)
    found = words_of(Deidentifier(KEY).dataset(ds))
    for note in (SECRET, "99.77", "099Y", "9977", "19770907"):
        assert note not in found


def test_the_serial_number_of_a_scanner():
    ds = an_object()
    ds.DeviceSerialNumber = "SN-4711"
    ds.ContributingEquipmentSequence = [item_of(DeviceSerialNumber="SN-4711", Manufacturer="X")]
    found = Deidentifier(KEY).dataset(ds)
    assert found.DeviceSerialNumber == "0"  # enhanced objects need one
    assert found.ContributingEquipmentSequence[0].DeviceSerialNumber == "0"
    assert found.ContributingEquipmentSequence[0].Manufacturer == "X"


def test_curves_overlays_and_private_attributes():
    ds = an_object()
    ds.add_new((0x6000, 0x3000), "OW", SECRET.encode() + b"0")
    ds.add_new((0x6002, 0x4000), "LT", SECRET)
    ds.add_new((0x5000, 0x3000), "OW", SECRET.encode() + b"0")
    ds.add_new((0x0009, 0x0010), "LO", "MAKER")
    ds.add_new((0x0009, 0x1001), "LO", SECRET)
    assert SECRET not in words_of(Deidentifier(KEY).dataset(ds))


def test_what_stays_is_not_listed_twice():
    assert not KEPT & (REMOVED | EMPTIED | REPLACED)
    assert not REMOVED & EMPTIED
    assert not REMOVED & REPLACED
    assert not EMPTIED & REPLACED
    assert all(tag_for_keyword(keyword) for keyword in REMOVED | EMPTIED | REPLACED | KEPT)
    assert len(REMOVED | EMPTIED | REPLACED) > 380
