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


def _code(value, scheme, meaning):
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def complete(ds):
    """The same object with everything that the standard asks for, though nobody here reads it."""
    for name in (
        "PatientBirthDate",
        "ReferringPhysicianName",
        "StudyID",
        "AccessionNumber",
        "PositionReferenceIndicator",
    ):
        setattr(ds, name, "")
    ds.Manufacturer = ds.ManufacturerModelName = ds.DeviceSerialNumber = ds.SoftwareVersions = "TEST"
    ds.AcquisitionContextSequence = []
    organisation = generate_uid()
    ds.DimensionOrganizationSequence = [item(DimensionOrganizationUID=organisation)]
    ds.DimensionIndexSequence = [
        item(
            DimensionOrganizationUID=organisation,
            DimensionIndexPointer=0x00209057,  # In-Stack Position Number
            FunctionalGroupPointer=0x00209111,
        )
    ]
    drug = ds.RadiopharmaceuticalInformationSequence[0]
    drug.AdministrationRouteCodeSequence = [_code("47625008", "SCT", "Intravenous route")]
    drug.RadionuclidePositronFraction = 0.97
    drug.RadiopharmaceuticalCodeSequence = [_code("35321007", "SCT", "Fluorodeoxyglucose F^18^")]
    values = {
        "AcquisitionStartCondition": "MANUAL",
        "AcquisitionTerminationCondition": "TIME",
        "TerminationTimeThreshold": 120.0,
        "TypeOfDetectorMotion": "NONE",
        "TransverseDetectorSeparation": 1.0,
        "AxialDetectorDimension": 4.0,
        "CollimatorType": "NONE",
        "CoincidenceWindowWidth": 4.0,
        "TableMotion": "STATIC",
        "TimeOfFlightInformationUsed": "FALSE",
        "PixelPresentation": "MONOCHROME",
        "VolumetricProperties": "VOLUME",
        "VolumeBasedCalculationTechnique": "NONE",
        "AcquisitionDuration": 120.0,
        "ContentQualification": "RESEARCH",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "PresentationLUTShape": "IDENTITY",
        "CountsSource": "EMISSION",
        "GantryMotionCorrected": "NO",
        "PatientMotionCorrected": "NO",
        "SensitivityCalibrated": "YES",
        "DetectorNormalizationCorrection": "YES",
        "RandomsCorrectionMethod": "DLYD",
        "AttenuationCorrectionSource": "CT",
        "AttenuationCorrectionTemporalRelationship": "SEQUENTIAL",
        "ScatterCorrectionMethod": "MODEL_BASED",
        "PatientPosition": "HFS",
    }
    for name, value in values.items():
        setattr(ds, name, value)
    ds.EnergyWindowRangeSequence = [item(EnergyWindowLowerLimit=425, EnergyWindowUpperLimit=650)]
    transaxial = item(ViewCodeSequence=[_code("62824007", "SCT", "Transverse")])
    ds.ViewCodeSequence = transaxial.ViewCodeSequence
    _complete_groups(ds)
    return ds


def _complete_groups(ds):
    shared = ds.SharedFunctionalGroupsSequence[0]
    shared.FrameAnatomySequence = [
        item(FrameLaterality="U", AnatomicRegionSequence=[_code("416949008", "SCT", "Abdomen and Pelvis")])
    ]
    shared.RadiopharmaceuticalUsageSequence = [item(RadiopharmaceuticalAgentNumber=1)]
    kind = {name: getattr(ds, name) for name in ("PixelPresentation", "VolumetricProperties")}
    shared.PETFrameTypeSequence = [item(FrameType=list(ds.ImageType), VolumeBasedCalculationTechnique="NONE", **kind)]
    shared.PETFrameAcquisitionSequence = [
        item(TableHeight=0.0, GantryDetectorTilt=0.0, GantryDetectorSlew=0.0, DataCollectionDiameter=700.0)
    ]
    shared.PETDetectorMotionDetailsSequence = [item(RotationDirection="CW", RevolutionTime=1.0)]
    shared.PETPositionSequence = [
        item(
            TablePosition=0.0,
            ReconstructionTargetCenterPatient=[0.0, 0.0, 0.0],
            DataCollectionCenterPatient=[0.0, 0.0, 0.0],
        )
    ]
    shared.PETReconstructionSequence = [
        item(
            ReconstructionType="3D",
            ReconstructionAlgorithm="REPROJECTION",
            IterativeReconstructionMethod="NO",
            ReconstructionDiameter=12.0,
        )
    ]
    for n, frame in enumerate(ds.PerFrameFunctionalGroupsSequence, start=1):
        content = frame.FrameContentSequence[0]
        content.StackID, content.InStackPositionNumber, content.TemporalPositionIndex = "1", n, 1
        frame.PETFrameCorrectionFactorsSequence = [
            item(
                PrimaryPromptsCountsAccumulated=1,
                SliceSensitivityFactor=1.0,
                DecayFactor=1.0,
                ScatterFractionFactor=0.0,
                DeadTimeFactor=1.0,
            )
        ]
