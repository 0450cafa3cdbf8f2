"""A volume keeps its meaning in a file: quantity, units, reference time and how it was made."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from PRRTUptakeLib.imaging.files import read_nrrd, sidecar, write_nrrd
from PRRTUptakeLib.imaging.volume import Volume, VolumeError

TURN = np.deg2rad(20)
OBLIQUE = np.array(
    [
        [-2.0 * np.cos(TURN), 3.0 * np.sin(TURN), 0, 40],
        [-2.0 * np.sin(TURN), -3.0 * np.cos(TURN), 0, -7],
        [0, 0, -5, 300],
        [0, 0, 0, 1.0],
    ]
)


@pytest.fixture
def volume():
    when = datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1)))
    array = np.random.default_rng(1).random((3, 4, 5), dtype=np.float32)
    return Volume(array, OBLIQUE, "SUVbw", "g/ml{SUVbw}", when, {"series_uid": "1.2.3", "decisions": ["ein Wort: ü"]})


def test_round_trip(volume, tmp_path):
    write_nrrd(volume, tmp_path / "pet.nrrd")
    back = read_nrrd(tmp_path / "pet.nrrd")
    assert np.array_equal(back.array, volume.array)
    assert np.allclose(back.ijk_to_ras, volume.ijk_to_ras, atol=1e-9)
    assert (back.quantity, back.units, back.reference_time) == (volume.quantity, volume.units, volume.reference_time)
    assert dict(back.provenance) == dict(volume.provenance)


def test_slicer_reads_the_same_geometry(scene, volume, tmp_path):
    import slicer
    from PRRTUptakeLib.mrml.volumes import volume_from_node

    write_nrrd(volume, tmp_path / "pet.nrrd")
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(tmp_path / "pet.nrrd"))
    assert storage.ReadData(node)
    back = volume_from_node(node)
    # Slicer may store the slices the other way round; every value must lie where it lay in the patient.
    for kji in np.ndindex(volume.array.shape):
        i, j, k = np.rint(back.grid.to_ijk(volume.grid.to_ras(kji[::-1]))).astype(int)
        assert back.array[k, j, i] == volume.array[kji]


def test_an_image_without_its_sidecar_is_refused(volume, tmp_path):
    write_nrrd(volume, tmp_path / "pet.nrrd")
    sidecar(tmp_path / "pet.nrrd").unlink()
    with pytest.raises(VolumeError, match=r"pet\.json.* missing or broken"):
        read_nrrd(tmp_path / "pet.nrrd")


def test_nothing_is_left_where_writing_fails(volume, tmp_path):
    with pytest.raises(VolumeError, match="could not be written"):
        write_nrrd(volume, tmp_path / "nowhere" / "pet.nrrd")
    assert not list(tmp_path.iterdir())


def test_sheared_grids_are_refused(volume, tmp_path):
    sheared = OBLIQUE.copy()
    sheared[0, 2] = 1.0
    with pytest.raises(VolumeError, match="right angles"):
        write_nrrd(Volume(volume.array, sheared), tmp_path / "ct.nrrd")
