"""Transforms of other tools: ITK files against SimpleITK and a Slicer transform node, and what a case file may say."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.registration.transform_files import read_registration
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.registration_rule import RegistrationRule

MATRIX = np.diag([-4.0, -4.0, 5.0, 1.0])
MATRIX[:3, 3] = (150.0, 140.0, -130.0)
GRID = Grid((50, 70, 75), MATRIX)
LPS = np.array([-1.0, -1.0, 1.0])
RIGID = sitk.Euler3DTransform((10.0, -20.0, 30.0), 0.1, -0.05, 0.2, (12.0, -7.0, 20.0))


def points():
    """RAS points in the middle of the grid."""
    random = np.random.default_rng(1)
    return GRID.to_ras(random.uniform(15, 35, (40, 3)))


def mapped_by_itk(transform):
    return np.array([transform.TransformPoint((p * LPS).tolist()) for p in points()]) * LPS


def written(transform, path):
    sitk.WriteTransform(transform, str(path))
    return path


@pytest.mark.parametrize("suffix", [".tfm", ".txt", ".h5", ".mat", ".xfm"])
def test_every_format_of_a_rigid_transform(tmp_path, suffix):
    found = read_registration(written(RIGID, tmp_path / f"one{suffix}"), GRID)
    assert found.kind == "given"
    assert found.displacement is None
    assert found.map_points(points()) == pytest.approx(mapped_by_itk(RIGID), abs=1e-4)


def test_affine_with_scale_and_composite(tmp_path):
    affine = sitk.AffineTransform(3)
    affine.Scale((1.05, 0.97, 1.02))
    both = sitk.CompositeTransform([RIGID, affine])
    found = read_registration(written(both, tmp_path / "both.h5"), GRID)
    assert found.displacement is None
    assert found.map_points(points()) == pytest.approx(mapped_by_itk(both), abs=1e-4)


def test_the_inverse_on_request(tmp_path):
    path = written(RIGID, tmp_path / "one.tfm")
    there, back = read_registration(path, GRID), read_registration(path, GRID, inverse=True)
    assert back.map_points(there.map_points(points())) == pytest.approx(points(), abs=1e-6)


def bspline():
    image = sitk.Image([75, 70, 50], sitk.sitkUInt8)
    image.SetSpacing([4.0, 4.0, 5.0])
    image.SetOrigin((MATRIX[:3, 3] * LPS).tolist())
    made = sitk.BSplineTransformInitializer(image, [5, 5, 5])
    random = np.random.default_rng(2)
    made.SetParameters(random.uniform(-6, 6, len(made.GetParameters())).tolist())
    return made, image


def test_a_bspline_after_a_rigid_transform(tmp_path):
    made, _ = bspline()
    both = sitk.CompositeTransform([RIGID, made])
    found = read_registration(written(both, tmp_path / "bent.h5"), GRID)
    assert found.displacement is not None
    apart = np.linalg.norm(found.map_points(points()) - mapped_by_itk(both), axis=1)
    assert apart.max() < 0.3


def test_a_displacement_field_as_an_image(tmp_path):
    made, image = bspline()
    field = sitk.TransformToDisplacementField(
        made, sitk.sitkVectorFloat64, image.GetSize(), image.GetOrigin(), image.GetSpacing(), image.GetDirection()
    )
    sitk.WriteImage(field, str(tmp_path / "field.nrrd"))
    found = read_registration(tmp_path / "field.nrrd", GRID)
    apart = np.linalg.norm(found.map_points(points()) - mapped_by_itk(made), axis=1)
    assert apart.max() < 0.3


@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
def test_a_node_of_slicer_that_moves_the_moving_image_onto_the_fixed_one(tmp_path, scene, suffix):
    """Saved by Slicer's own storage node; its matrix takes the moving image to the fixed one, in RAS."""
    import slicer
    import vtk

    matrix = np.eye(4)
    matrix[:3, :3] = np.array(RIGID.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = (5.0, -12.0, 31.0)
    to_parent = vtk.vtkMatrix4x4()
    to_parent.DeepCopy(matrix.ravel())
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(to_parent)
    storage = slicer.vtkMRMLTransformStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(tmp_path / f"node{suffix}"))
    assert storage.WriteData(node)
    found = read_registration(tmp_path / f"node{suffix}", GRID)
    assert found.moving_to_fixed == pytest.approx(matrix, abs=1e-5)


def flattened():
    made = sitk.AffineTransform(3)
    made.Scale((1.0, 1.0, 0.1))
    return made


def mirrored():
    made = sitk.AffineTransform(3)
    made.Scale((-1.0, 1.0, 1.0))
    return made


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path, "There is no transform file"),
        (lambda path: path.write_text('(Transform "EulerTransform")\n') and path, "is no transform file of ITK"),
        (lambda path: written(flattened(), path), "flattens or stretches"),
        (lambda path: written(mirrored(), path), "mirrors"),
        (lambda path: written(sitk.Euler2DTransform(), path), "2 dimensions"),
    ],
)
def test_files_that_are_refused(tmp_path, make, words):
    with pytest.raises(PRRTError, match=words) as error:
        read_registration(make(tmp_path / "wrong.txt"), GRID)
    assert "\n" not in str(error.value)


def test_no_inverse_of_what_bends(tmp_path):
    path = written(bspline()[0], tmp_path / "bent.h5")
    with pytest.raises(PRRTError, match="other direction"):
        read_registration(path, GRID, inverse=True)


def test_forms_of_a_rule(tmp_path):
    written(RIGID, tmp_path / "one.tfm")
    by_name = RegistrationRule.from_case("one.tfm", tmp_path, "here")
    by_key = RegistrationRule.from_case({"transform": "one.tfm", "inverse": True}, tmp_path, "here")
    assert by_name.files == (tmp_path / "one.tfm",)
    assert by_name.registration(GRID).fixed_to_moving == pytest.approx(by_key.registration(GRID).moving_to_fixed)
    matrix = np.eye(4)
    matrix[0, 3] = 4.0
    stated = RegistrationRule.from_case({"matrix": matrix.tolist(), "source": "ruler"}, tmp_path, "here")
    assert stated.registration(GRID).provenance["source"] == "ruler"
    assert stated.registration(GRID).fixed_to_moving == pytest.approx(matrix)
    same = RegistrationRule.from_case({"identity": "one scan"}, tmp_path, "here").registration(GRID)
    assert same.kind == "identity"
    assert same.provenance["reason"] == "one scan"
    assert RegistrationRule.from_case("register", tmp_path, "here") == "register"
    assert RegistrationRule.from_case("deformable", tmp_path, "here") == "deformable"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (False, "must be"),
        ("absent.h5", "does not exist"),
        ({"transform": "absent.h5"}, "does not exist"),
        ({"matrix": [[1, 0], [0, 1]]}, "4 rows of 4 numbers"),
        ({"matrix": np.zeros((4, 4)).tolist()}, "not usable"),
        ({"identity": " "}, "why nothing has moved"),
        ({"identity": True}, "why nothing has moved"),
        ({"identity": "x", "matrix": np.eye(4).tolist()}, "unknown key 'identity' in 'registration'"),
        ({"identity": "x", "inverse": True}, "unknown key 'inverse' in 'registration'"),
        ({"file": "x.h5"}, "must be"),
    ],
)
def test_impossible_rules_are_named(tmp_path, content, words):
    with pytest.raises(InputFileError, match=words) as error:
        RegistrationRule.from_case(content, tmp_path, "case.json, visit '24h'")
    assert str(error.value).startswith("case.json, visit '24h': ")


def test_inverse_must_be_true_or_false(tmp_path):
    written(RIGID, tmp_path / "one.tfm")
    with pytest.raises(InputFileError, match="true or false"):
        RegistrationRule.from_case({"transform": "one.tfm", "inverse": "yes"}, tmp_path, "here")


def field(origin, size, vector=(5.0, 0.0, 0.0)):
    """A field of one displacement (LPS) on voxels of 4 mm."""
    values = np.broadcast_to(vector, (*size[::-1], 3)).copy()
    image = sitk.GetImageFromArray(values, isVector=True)
    image.SetOrigin(origin)
    image.SetSpacing((4.0, 4.0, 4.0))
    return image


CUBE = Grid((100, 100, 100), np.array([[-2.0, 0, 0, 100], [0, -2, 0, 100], [0, 0, 2, -100], [0, 0, 0, 1]]))
PLACES = np.array([[0.0, 0, 0], [60, 10, 0], [-90, 0, 90], [-97.5, -97.5, 97.5]])


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii.gz", ".h5"])
def test_a_field_on_coarser_voxels_reaches_the_edge_of_the_image(tmp_path, suffix):
    """Its last centre is 2 mm inside the image: it was refused as folding the patient onto itself."""
    made, path = field((-100.0, -100.0, -100.0), (50, 50, 50)), tmp_path / f"field{suffix}"
    if suffix == ".h5":
        sitk.WriteTransform(sitk.DisplacementFieldTransform(sitk.Cast(made, sitk.sitkVectorFloat64)), str(path))
    else:
        sitk.WriteImage(made, str(path))
    found = read_registration(path, CUBE)
    assert found.map_points(PLACES) - PLACES == pytest.approx(np.tile([-5.0, 0, 0], (4, 1)), abs=1e-3)
    assert found.quality.warnings == ()


def test_a_field_that_covers_a_part_of_the_image_is_said(tmp_path):
    """Beyond it nothing is moved, whatever it says at its edge."""
    path = tmp_path / "half.nrrd"
    sitk.WriteImage(field((-100.0, -100.0, -100.0), (25, 50, 50)), str(path))
    (words,) = read_registration(path, CUBE).quality.warnings
    assert words.startswith("The transform file half.nrrd covers 56% of the image the contours were drawn on: beyond")
    sitk.WriteImage(field((-100.0, -100.0, -100.0), (25, 50, 50), (12.0, 0.0, 0.0)), str(path))
    with pytest.raises(PRRTError, match=r"half.nrrd covers 56% .* folds the patient at its edge: export it over the"):
        read_registration(path, CUBE)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ("", r"\(space, space directions, space origin missing"),
        ("right-anterior-superior", "along which axes its displacements are is not certain"),
    ],
)
def test_a_field_that_does_not_say_where_it_is_or_in_which_axes_is_refused(tmp_path, space, words):
    place = ["space directions: none (4,0,0) (0,4,0) (0,0,4)", "space origin: (-100,-100,-100)"]
    head = ["NRRD0004", "type: float", "dimension: 4", "sizes: 3 50 50 50", "endian: little", "encoding: raw"]
    head += ["kinds: vector domain domain domain", *([f"space: {space}", *place] if space else [])]
    path = tmp_path / "field.nrrd"
    path.write_bytes("\n".join(head).encode() + b"\n\n" + np.ones((50, 50, 50, 3), "<f4").tobytes())
    with pytest.raises(PRRTError, match=words):
        read_registration(path, CUBE)


@pytest.mark.parametrize(
    ("ending", "old", "new", "words"),
    [
        (".nhdr", "left-posterior-superior", "right-anterior-superior", "along which axes its displacements are"),
        (".nhdr", "dimension: 4", 'dimension: 4\nspace units: "cm" "cm" "cm"', "write it again in mm"),
        (".mhd", "DimSize", "DistanceUnits = cm\nDimSize", "'DistanceUnits = cm': write it again in mm"),
    ],
)
def test_a_field_in_two_files_says_where_it_is_in_mm(tmp_path, ending, old, new, words):
    path = tmp_path / f"field{ending}"
    sitk.WriteImage(field((-100.0, -100.0, -100.0), (50, 50, 50)), str(path))
    assert read_registration(path, CUBE).map_points(PLACES) - PLACES == pytest.approx(np.tile([-5.0, 0, 0], (4, 1)))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(PRRTError, match=words):
        read_registration(path, CUBE)
