"""A small enhanced PET, written with pydicom after PS3.3 A.56."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from builders.dicom_builders import base, mapping, radionuclide, set_all, set_pixels

ENHANCED_PET = "1.2.840.10008.5.1.4.1.1.130"


def item(**values):
    ds = Dataset()
    for name, value in values.items():
        setattr(ds, name, value)
    return ds


def enhanced_pet(
    values, *, slopes=None, starts=None, duration_ms=120_000.0, unit="Bq/ml", changes=None, per_frame=None
):
    """``values`` [k, j, i] uint16, planes along z; ``slopes`` of the mapping and ``starts`` (DT) frame by frame."""
    ds = base(ENHANCED_PET, "PT", generate_uid())
    n = len(values)
    slopes = [1.0] * n if slopes is None else slopes
    starts = ["20250301110000"] * n if starts is None else starts
    ds.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "NONE"]
    ds.ContentDate, ds.ContentTime, ds.InstanceNumber = "20250301", "110000", 1
    ds.AcquisitionDateTime = "20250301110000"
    ds.NumberOfFrames = n
    ds.PatientWeight, ds.PatientSize, ds.PatientSex = 70, 1.75, "M"
    ds.DecayCorrected, ds.DecayCorrectionDateTime = "YES", "20250301110000"
    for name in ("Attenuation", "Scatter", "DeadTime", "CountLossNormalization", "Randoms", "NonUniformRadialSampling"):
        keyword = {"CountLossNormalization": "CountLossNormalizationCorrected"}.get(name, f"{name}Corrected")
        setattr(ds, keyword, "YES")
    drug = item(
        RadiopharmaceuticalAgentNumber=1,
        RadionuclideTotalDose=370e6,
        RadionuclideHalfLife=6586.2,
        RadiopharmaceuticalStartDateTime="20250301100000",
        RadionuclideCodeSequence=[radionuclide()],
    )
    ds.RadiopharmaceuticalInformationSequence = [drug]
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[4, 4], SliceThickness=4, SpacingBetweenSlices=4)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    )
    ds.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(n):
        content = item(
            FrameAcquisitionDateTime=starts[k],
            FrameReferenceDateTime=starts[k],
            FrameAcquisitionDuration=120_000.0,
            DimensionIndexValues=[k + 1],
        )
        frame = item(
            FrameContentSequence=[content],
            PlanePositionSequence=[item(ImagePositionPatient=[-8, -8, 4 * k])],
            PixelValueTransformationSequence=[item(RescaleSlope=slopes[k], RescaleIntercept=0, RescaleType="US")],
            RealWorldValueMappingSequence=[mapping(slopes[k], 0.0, unit)],
        )
        set_all(frame, {name: column[k] for name, column in (per_frame or {}).items()})
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = frames
    set_pixels(ds, np.ascontiguousarray(values))
    set_all(ds, changes or {})
    return ds
