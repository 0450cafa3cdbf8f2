"""Whether what PHANTOM.json states can be: nuclide and activity against the header, the factor against any camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.administration import drug_item
from PRRTUptakeLib.dicom.headers import number
from PRRTUptakeLib.dicom.nuclides import named_nuclides
from PRRTUptakeLib.errors import PRRTError

from PRRTDosimetryLib.camera.errors import CameraError
from PRRTDosimetryLib.camera.images import CONCENTRATION

if TYPE_CHECKING:
    from PRRTDosimetryLib.camera.calibration import CalibrationFactor
    from PRRTDosimetryLib.camera.images import ReadScan

_UNITS = {1e-3: "GBq", 1e-9: "GBq", 1 / 37.0: "mCi", 1e-6 / 37.0: "mCi", 1e3: "kBq"}
"""Activity stated over that of the header (in MBq or Bq), where the stated one is in another unit than MBq."""
_SAME = 0.03  # relative
_POSSIBLE_cps_per_MBq = (0.2, 1000.0)  # from small pinholes to rings of detectors
_POSSIBLE_RATIO = (0.5, 2.0)  # image over truth
_MOST_U = 0.5


def filling_warnings(scan: ReadScan, nuclide_name: str) -> list[str]:
    """Contradictions between what was stated and the header: nuclide, and activity in another unit."""
    dataset, where = scan.series.headers[0].dataset, scan.series.label
    try:
        item = drug_item(dataset, where)
        names = named_nuclides(item, where)[0] if item is not None else ()
        dose = number(item, "RadionuclideTotalDose", where) if item is not None else None
    except PRRTError:
        return []
    found = []
    if names and nuclide_name not in names:
        found.append(
            f"{scan.file.name}: 'nuclide' is {nuclide_name}, but the header names {' and '.join(names)}: decay is "
            "counted by the former; correct the one that is wrong."
        )
    activities = {f"fills.{key}": fill.activity_MBq for key, fill in scan.file.fills.items()}
    for key, activity in activities.items():
        unit = next((unit for ratio, unit in _UNITS.items() if dose and abs(activity / dose / ratio - 1) < _SAME), "")
        if unit:
            found.append(
                f"{scan.file.name}: '{key}.activity_MBq' is {activity:g}, the header has {dose:g}: it seems to be in "
                f"{unit}; give MBq."
            )
    return found


def factor_warnings(scan: ReadScan, calibration: CalibrationFactor) -> list[str]:
    """A calibration factor that no camera has.

    Raises
    ------
    CameraError
        If its ways contradict each other by so much that there is none.
    """
    if calibration.u_relative > _MOST_U:
        raise CameraError(
            f"There is no calibration factor: {calibration.agreement[0].lower()}{calibration.agreement[1:].rstrip('.')}"
            "; check 'activity_MBq', 'volume_mL' and which phantom it is."
        )
    image = scan.kind == CONCENTRATION
    low, high = _POSSIBLE_RATIO if image else _POSSIBLE_cps_per_MBq
    if low <= calibration.factor <= high:
        return []
    what = "image over truth" if image else "cps/MBq"
    return [
        f"The calibration factor of {calibration.factor:.4g} {what} is outside of what cameras have ({low:g} to "
        f"{high:g}): check unit and moment of 'activity_MBq' and the duration of the scan."
    ]
