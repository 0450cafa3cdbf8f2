"""The scene as a bundle: what goes in comes out, in steps that can be stopped."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from PRRTUptakeLib.errors import Cancelled
from PRRTUptakeLib.imaging.volume import Volume

VALUES = np.random.default_rng(1).integers(0, 100, (30, 40, 50)).astype(np.float32)


@pytest.fixture
def image(scene):
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    return node_from_volume(Volume(VALUES, np.diag([2.0, 2.0, 3.0, 1.0]), "attenuation", "[hnsf'U]"), "CT")


def test_what_is_written_is_read_and_saved_compressed_again(scene, image, tmp_path):
    import slicer
    from PRRTUptakeLib.mrml.scene_bundle import write_bundle
    from PRRTUptakeLib.mrml.volumes import volume_from_node

    path = tmp_path / "patient one.mrb"
    write_bundle(path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]  # nothing else is left
    assert image.GetStorageNode().GetUseCompression() == 1
    with zipfile.ZipFile(path) as bundle:
        assert bundle.namelist()[0] == "patient one/"
        assert path.stat().st_size < VALUES.nbytes
    scene.Clear(0)
    assert scene.ReadFromMRB(str(path), True)
    read = slicer.util.getNode("CT")
    np.testing.assert_array_equal(volume_from_node(read).array, VALUES)
    assert read.GetStorageNode().GetUseCompression() == 1  # else Slicer would save it large from now on


def test_an_uncompressed_image_stays_so(scene, image, tmp_path):
    import slicer
    from PRRTUptakeLib.mrml.scene_bundle import write_bundle

    image.AddDefaultStorageNode()
    image.GetStorageNode().SetUseCompression(0)
    write_bundle(tmp_path / "a.mrb")
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "a.mrb"), True)
    assert slicer.util.getNode("CT").GetStorageNode().GetUseCompression() == 0


def test_packing_reports_every_few_megabytes_and_stops_there(tmp_path, monkeypatch):
    from PRRTUptakeLib.mrml import scene_bundle

    monkeypatch.setattr(scene_bundle, "_CHUNK_bytes", 1000)
    folder = tmp_path / "scene"
    folder.mkdir()
    (folder / "large").write_bytes(bytes(10_500))
    (folder / "small").write_bytes(b"x")
    seen = []
    scene_bundle.pack(folder, tmp_path / "whole.mrb", lambda fraction, words: seen.append(fraction))
    assert len(seen) == 12
    assert seen[-1] == 1.0

    def stop_in_the_middle(fraction, words):
        if fraction > 0.5:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        scene_bundle.pack(folder, tmp_path / "stopped.mrb", stop_in_the_middle)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["scene", "whole.mrb"]
