"""Images and masks that a converter mirrored are noticed, on anatomy as of a patient; those as they are never."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from builders.session_images import session
from PRRTUptakeLib.registration.orientation_check import AS_IT_IS, check_orientation
from PRRTUptakeLib.registration.session_check import tissue_of

FLIPS = [flip for flip in product((False, True), repeat=3) if any(flip)]
LEFT_RIGHT, BACK_FRONT = (False, False, True), (False, True, False)


def mirrored(array, flip):
    return np.ascontiguousarray(array[tuple(slice(None, None, -1 if turned else 1) for turned in flip)])


def of_image(kind, seed, flip, with_liver=True):
    emission, ct, liver = session(kind, seed)
    turned = emission.with_values(mirrored(emission.array, flip))
    return check_orientation(turned, ct, liver if with_liver else None)


def test_images_as_they_are():
    found = of_image("lutia", 1, AS_IT_IS)
    assert (found.flip, found.mask_flip) == (AS_IT_IS, AS_IT_IS)
    assert found.warnings("the SPECT", "its CT") == ()
    assert found.inside > 0.99
    assert found.as_dict()["mirrored"] is False


def test_a_spect_mirrored_left_to_right():
    found = of_image("lutia", 1, LEFT_RIGHT)
    assert found.flip == LEFT_RIGHT
    (notes,) = found.warnings("the SPECT", "its CT")
    assert "the SPECT seems to be mirrored left to right against its CT" in notes
    assert "nothing was turned" in notes


def test_a_mask_mirrored_front_to_back():
    emission, ct, liver = session("lutia", 1)
    found = check_orientation(emission, ct, mirrored(liver, BACK_FRONT), tissue_of(emission, ct))
    assert found.mask_flip == BACK_FRONT
    assert "mask of the liver seems to be mirrored front to back" in found.warnings("the SPECT", "its CT")[0]


def test_hot_organs_on_the_other_side_do_not_make_a_right_mask_wrong():
    """What the mirrored mask covers is made hot: it explains more of the image, but is several tissues on the CT."""
    emission, ct, liver = session("lutia", 1)
    ijk = np.argwhere(mirrored(liver, LEFT_RIGHT) & ~liver)[::5, ::-1]
    where = np.rint(emission.grid.to_ijk(ct.grid.to_ras(ijk))).astype(int)[:, ::-1]
    where = where[((where >= 0) & (where < emission.array.shape)).all(axis=1)]
    hot = emission.array.copy()
    hot[tuple(where.T)] = emission.array.max()
    found = check_orientation(emission.with_values(hot), ct, liver)
    assert found.mask_agreement[LEFT_RIGHT] > 1.3 * found.mask_agreement[AS_IT_IS]
    assert found.mask_flip == AS_IT_IS


def test_another_patients_activity_next_to_the_body():
    emission, ct, liver = session("lutia", 1)
    matrix = emission.ijk_to_ras.copy()
    matrix[0, 3] += 230.0
    beside = type(emission)(emission.array, matrix, emission.quantity, emission.units)
    found = check_orientation(beside, ct, liver)
    assert found.inside < 0.85
    assert any("outside the body" in one for one in found.warnings("the SPECT", "its CT"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", ["lutia", "late", "pet"])
def test_every_flip_of_image_and_mask_is_found_and_none_invented(kind, seed):
    emission, ct, liver = session(kind, seed)
    tissue = tissue_of(emission, ct)
    plain = check_orientation(emission, ct, liver, tissue)
    assert (plain.flip, plain.mask_flip) == (AS_IT_IS, AS_IT_IS)
    assert check_orientation(emission, ct, None, tissue).flip == AS_IT_IS
    for flip in FLIPS:
        turned = emission.with_values(mirrored(emission.array, flip))
        assert check_orientation(turned, ct, liver, tissue).flip == flip
        assert check_orientation(emission, ct, mirrored(liver, flip), tissue).mask_flip == flip
