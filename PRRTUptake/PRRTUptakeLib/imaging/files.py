"""Volumes as ``.nrrd`` with a ``.json`` sidecar: a bare NRRD forgets what its numbers are."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import SimpleITK

from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Volume, VolumeError

_REQUIRED = ("quantity", "units", "reference_time", "provenance")


def write_nrrd(volume: Volume, path: Path) -> None:
    """Write ``path`` (.nrrd) and beside it ``path`` with the ending .json: quantity, UCUM units, time, provenance.

    Raises
    ------
    VolumeError
        If the name does not end in .nrrd, the grid is sheared (NRRD readers take axes as orthogonal), or writing fails.

    Examples
    --------
    >>> import tempfile
    >>> spect = Volume(np.ones((2, 3, 4)), np.diag([4.8, 4.8, 4.8, 1]), "activity concentration", "Bq/ml")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_nrrd(spect, Path(folder) / "spect.nrrd")
    ...     read_nrrd(Path(folder) / "spect.nrrd").units
    'Bq/ml'
    """
    path = Path(path)
    if path.suffix != ".nrrd":
        raise VolumeError(f"{path.name} must end in .nrrd.")
    lps = LPS_TO_RAS @ volume.ijk_to_ras
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-4:
        raise VolumeError("The voxel axes are not at right angles: resample the volume to a straight grid to save it.")
    image = SimpleITK.GetImageFromArray(volume.array)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection(axes.ravel().tolist())
    time = volume.reference_time.isoformat() if volume.reference_time else None
    values = (volume.quantity, volume.units, time, dict(volume.provenance))
    text = json.dumps(dict(zip(_REQUIRED, values, strict=True)), indent=2, ensure_ascii=False)
    try:
        SimpleITK.WriteImage(image, str(path), useCompression=True)
        sidecar(path).write_text(text + "\n", encoding="utf-8")
    except (RuntimeError, OSError) as error:
        path.unlink(missing_ok=True)  # never an image without its meaning
        raise VolumeError(f"{path} could not be written: is the folder there, and the disk not full?") from error


def read_nrrd(path: Path) -> Volume:
    """Read what `write_nrrd` wrote.

    Raises
    ------
    VolumeError
        If image or sidecar are missing or broken: without the sidecar nobody knows what the numbers are.
    """
    path = Path(path)
    try:
        image = SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32)
    except RuntimeError as error:
        raise VolumeError(f"{path} is not a readable image.") from error
    try:
        content = json.loads(sidecar(path).read_text(encoding="utf-8"))
        quantity, units, time, provenance = (content[key] for key in _REQUIRED)
        moment = datetime.fromisoformat(time) if time else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VolumeError(
            f"{sidecar(path).name}, which says what {path.name} holds, is missing or broken: keep both together."
        ) from error
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return Volume(SimpleITK.GetArrayFromImage(image), LPS_TO_RAS @ matrix, quantity, units, moment, provenance)


def sidecar(path: Path) -> Path:
    """The file beside an image that says what its values are."""
    return path.with_suffix(".json")
