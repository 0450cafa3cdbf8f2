"""Mask files that are damaged, or state two orientations: refused, or read with a word; never read as if whole."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import SimpleITK
from PRRTUptakeLib.imaging.errors import ImagingError
from PRRTUptakeLib.imaging.file_checks import check_metaimage, check_nrrd, check_stated_place
from PRRTUptakeLib.imaging.nifti import read_nifti, whole_bytes

MASK = np.zeros((7, 6, 5), np.uint8)
MASK[2:5, 1:4, 2] = 1


def image():
    made = SimpleITK.GetImageFromArray(MASK)
    made.SetSpacing((2.0, 3.0, 4.0))
    made.SetOrigin((-5.0, 6.0, 7.0))
    return made


def nifti(path, edit=None, data=None):
    """A NIfTI file as ITK writes it, its 348 bytes of header edited."""
    plain = path.with_name("plain.nii")
    SimpleITK.WriteImage(image(), str(plain))
    content = bytearray(plain.read_bytes())
    if edit is not None:
        edit(content)
    content = bytes(content) if data is None else bytes(content[:352]) + data
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def set_forms(qform, sform, matrix=None):
    def edit(content):
        struct.pack_into("<2h", content, 252, qform, sform)
        if matrix is not None:
            for row in range(3):
                struct.pack_into("<4f", content, 280 + 16 * row, *matrix[row])

    return edit


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_whole_file_is_read_as_itk_reads_it(tmp_path, ending):
    found = read_nifti(nifti(tmp_path / f"m{ending}"))
    assert np.array_equal(found.values, MASK)
    for ijk in ((0, 0, 0), (4, 5, 6)):
        place = np.array(image().TransformIndexToPhysicalPoint(ijk)) * [-1, -1, 1]
        assert found.grid.to_ras(np.array(ijk)) == pytest.approx(place, abs=1e-4)
    assert not found.remarks


CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "i8": 1024}


def by_hand(order, dtype, version):
    """A NIfTI file written field by field (nifti1.h, nifti2.h): sform of code 1, spacing 2, 3, 4 mm in RAS."""
    size, start = (348, 352) if version == 1 else (540, 544)
    head = bytearray(start)
    rows = [(2.0, 0, 0, 5.0), (0, 3.0, 0, 6.0), (0, 0, 4.0, 7.0)]
    sizes = (3, *MASK.shape[::-1], 1, 1, 1, 1)
    if version == 1:
        fields = [
            ("i", 0, (size,)),
            ("8h", 40, sizes),
            ("h", 70, (CODES[dtype],)),
            ("8f", 76, (1, 2, 3, 4, 0, 0, 0, 0)),
        ]
        fields += [("f", 108, (start,)), ("2f", 112, (2.0, 0.0)), ("2h", 252, (0, 1))]
        fields += [("4f", 280 + 16 * n, row) for n, row in enumerate(rows)]
        head[123], head[344:348] = 2, b"n+1\0"
    else:
        fields = [
            ("i", 0, (size,)),
            ("8q", 16, sizes),
            ("h", 12, (CODES[dtype],)),
            ("8d", 104, (1, 2, 3, 4, 0, 0, 0, 0)),
        ]
        fields += [("q", 168, (start,)), ("2d", 176, (2.0, 0.0)), ("2i", 344, (0, 1)), ("i", 500, (2,))]
        fields += [("4d", 400 + 32 * n, row) for n, row in enumerate(rows)]
        head[4:12] = b"n+2\0\r\n\x1a\n"
    for kind, at, values in fields:
        struct.pack_into(order + kind, head, at, *values)
    return bytes(head) + MASK.astype(np.dtype(order + dtype)).tobytes()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", list(CODES))
def test_every_type_byte_order_and_version(tmp_path, dtype, order, version):
    (tmp_path / "m.nii").write_bytes(by_hand(order, dtype, version))
    found = read_nifti(tmp_path / "m.nii")
    assert np.array_equal(found.values, 2.0 * MASK)  # slope 2
    assert found.values.dtype.isnative
    assert found.grid.spacing_mm == (2.0, 3.0, 4.0)
    assert found.grid.ijk_to_ras[:3, 3].tolist() == [5.0, 6.0, 7.0]


def damaged(content, how):
    if how == "cut":
        return content[: int(0.7 * len(content))]
    if how == "end":
        return content[:-6]
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 0x41
    return bytes(flipped)


@pytest.mark.parametrize("how", ["cut", "end", "flipped"])
def test_a_damaged_gzip_is_refused(tmp_path, how):
    path = nifti(tmp_path / "liver.nii.gz")
    path.write_bytes(damaged(path.read_bytes(), how))
    with pytest.raises(ImagingError, match=r"liver.nii.gz is damaged or cut short"):
        read_nifti(path)


def two_members(content):
    return gzip.compress(content[:300]) + gzip.compress(content[300:])


def equal_members(content):
    """The stated length of the last one, which is the first one's too, is half of the whole."""
    content = content[:352] + content[352:].ljust(352, b"\0")  # of 8 x 11 x 4 voxels
    return gzip.compress(content[:352]) + gzip.compress(content[352:])


@pytest.mark.parametrize("pack", [two_members, equal_members, lambda content: gzip.compress(content) + b"\0" * 5])
def test_gzip_of_several_members_or_padded_is_unpacked_whole(tmp_path, pack):
    path = nifti(tmp_path / "liver.nii.gz")
    packed = pack(gzip.decompress(path.read_bytes()))
    path.write_bytes(packed)
    assert bytes(whole_bytes(path)) == gzip.decompress(packed)


def test_gzip_that_states_an_absurd_length_is_refused_before_memory_is_asked_for(tmp_path):
    path = nifti(tmp_path / "liver.nii.gz")
    path.write_bytes(path.read_bytes()[:-4] + b"\xff" * 4)
    with pytest.raises(ImagingError, match=r"liver.nii.gz is damaged or cut short"):
        read_nifti(path)


@pytest.mark.parametrize("size", [100, 209, 211, 0])
def test_other_bytes_than_the_header_calls_for_are_refused(tmp_path, size):
    path = nifti(tmp_path / "liver.nii.gz", data=bytes(size))
    with pytest.raises(ImagingError, match=f"has {size} bytes of voxels where its header calls for 210"):
        read_nifti(path)


def test_what_is_no_nifti_is_refused(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"")
    with pytest.raises(ImagingError, match="is not a NIfTI file"):
        read_nifti(tmp_path / "a.nii.gz")
    with pytest.raises(ImagingError, match="does not say where its voxels are"):
        read_nifti(nifti(tmp_path / "b.nii", set_forms(0, 0)))


MIRRORED = np.array([[2.0, 0, 0, -5], [0, -3, 0, -6], [0, 0, 4, 7]])


@pytest.mark.parametrize(
    ("qform", "sform", "taken"), [(1, 2, "sform"), (2, 1, "qform"), (1, 4, "qform"), (4, 1, "sform")]
)
def test_of_two_orientations_the_better_coded_counts_and_is_named(tmp_path, qform, sform, taken):
    found = read_nifti(nifti(tmp_path / "m.nii", set_forms(qform, sform, MIRRORED)))
    assert found.grid.ijk_to_ras[0, 0] == (2.0 if taken == "sform" else -2.0)
    assert f"{taken} (code" in found.remarks[0]
    assert "is taken" in found.remarks[0]


def test_two_orientations_of_one_code_are_refused(tmp_path):
    with pytest.raises(ImagingError, match="states its orientation twice, and the two contradict by 5 voxels"):
        read_nifti(nifti(tmp_path / "m.nii", set_forms(1, 1, MIRRORED)))


def test_a_slight_shear_is_read_straight_and_said(tmp_path):
    sheared = np.array([[-2.0, 0.004, 0, 5], [0.003, -3, 0, -6], [0, 0, 4, 7]])
    found = read_nifti(nifti(tmp_path / "m.nii", set_forms(0, 1, sheared)))
    axes = found.grid.ijk_to_ras[:3, :3] / found.grid.spacing_mm
    assert np.abs(axes.T @ axes - np.eye(3)).max() < 1e-9
    assert "sheared by 0.0" in found.remarks[0] or "sheared by 0.1" in found.remarks[0]
    large = np.array([[-2.0, 1.5, 0, 5], [0.0, -3, 0, -6], [0, 0, 4, 7]])
    kept = read_nifti(nifti(tmp_path / "n.nii", set_forms(0, 1, large)))
    assert kept.grid.ijk_to_ras[0, 1] == 1.5


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(("ending", "check"), [(".nrrd", check_nrrd), (".mha", check_metaimage)])
def test_nrrd_and_metaimage_are_checked_before_they_are_read(tmp_path, ending, check, compressed):
    path = tmp_path / f"m{ending}"
    SimpleITK.WriteImage(image(), str(path), useCompression=compressed)
    check(path)
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(ImagingError, match=r"damaged or cut short|calls for"):
        check(path)
    path.write_bytes(content[:40])
    with pytest.raises(ImagingError, match="header is damaged"):
        check(path)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b"sizes: 5 6 7", b"sizes: 5 6 700", "calls for 21000"),
        (b"sizes: 5 6 7", b"sizes: 5 6 -7", "has the size"),
        (b"sizes: 5 6 7", b"sizes: 5 6", "has the size"),
        (b"(2,0,0)", b"(nan,0,0)", "impossible"),
        (b"(2,0,0)", b"(0,0,0)", "impossible"),
        (b"encoding: raw", b"encoding: zoo", "encoding 'zoo'"),
    ],
)
def test_an_impossible_header_of_an_nrrd_is_refused(tmp_path, old, new, match):
    path = tmp_path / "m.nrrd"
    SimpleITK.WriteImage(image(), str(path))
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(ImagingError, match=match):
        check_nrrd(path)


_LPS = "space: left-posterior-superior"


def nrrd(path, *lines):
    head = ["NRRD0004", "type: unsigned char", "dimension: 3", "sizes: 5 6 7", "encoding: raw", *lines]
    path.write_bytes("\n".join(head).encode() + b"\n\n" + MASK.tobytes())
    return path


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ((), r"does not say where its voxels are .*\(space, space directions, space origin missing"),
        (("spacings: 2 3 4",), r"\(space, space directions, space origin missing"),
        (("space dimension: 3", "space directions: (2,0,0) (0,3,0) (0,0,4)", "space origin: (0,0,0)"), r"\(space miss"),
        ((_LPS, "space directions: (2,0,0) (0,3,0) (0,0,4)"), r"\(space origin missing"),
        (
            ("space: scanner-xyz", "space directions: (2,0,0) (0,3,0) (0,0,4)", "space origin: (0,0,0)"),
            "'space: scanner-xyz', which does not say what is left",
        ),
        (
            (_LPS, "space directions: (2,0,0) (0,3,0) (0,0,4)", "space origin: (0,0,0)", 'space units: "m" "m" "m"'),
            "write it again in mm",
        ),
    ],
)
def test_an_nrrd_that_does_not_say_where_it_is_in_the_patient_is_refused(tmp_path, lines, match):
    """It was read as if its first voxel were at the scanner's corner, of 1 mm, left of the patient first."""
    with pytest.raises(ImagingError, match=match):
        check_nrrd(nrrd(tmp_path / "liver.nrrd", *lines))


@pytest.mark.parametrize("left_out", ["TransformMatrix", "Offset", "ElementSpacing"])
def test_a_metaimage_that_does_not_say_where_it_is_is_refused(tmp_path, left_out):
    fields = {"TransformMatrix": "1 0 0 0 1 0 0 0 1", "Offset": "1 2 3", "ElementSpacing": "2 3 4"}
    lines = [f"{key} = {value}" for key, value in fields.items() if key != left_out]
    head = ["ObjectType = Image", "NDims = 3", *lines, "DimSize = 5 6 7", "ElementType = MET_UCHAR"]
    path = tmp_path / "liver.mha"
    path.write_bytes("\n".join([*head, "ElementDataFile = LOCAL\n"]).encode() + MASK.tobytes())
    with pytest.raises(ImagingError, match=rf"\({left_out} missing in its header\): write it again with the geometry"):
        check_metaimage(path)


@pytest.mark.parametrize(("unit", "fits"), [("mm", True), ("?", True), ("cm", False), ("um", False)])
@pytest.mark.parametrize("check", [check_metaimage, check_stated_place])
def test_a_metaimage_in_another_unit_than_mm_is_refused(tmp_path, unit, fits, check):
    """ITK took centimetres for millimetres: a mask had a thousandth of its volume."""
    path = tmp_path / "liver.mha"
    SimpleITK.WriteImage(image(), str(path))
    path.write_bytes(path.read_bytes().replace(b"DimSize", f"DistanceUnits = {unit}\nDimSize".encode()))
    if fits:
        check(path)
        return
    with pytest.raises(ImagingError, match=rf"liver.mha states 'DistanceUnits = {unit}': write it again in mm"):
        check(path)
