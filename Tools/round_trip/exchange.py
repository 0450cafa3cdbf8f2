"""Write masks with a program, or read what ours wrote with it; runs in the environment of ``install.sh``, without ours.

    python exchange.py write PROGRAM FOLDER     masks.npz and ct/ -> PROGRAM/
    python exchange.py read PROGRAM FOLDER      seg.dcm, or rtstruct.dcm, -> PROGRAM.npz

``masks.npz`` holds one array [k, j, i] per name, k along the normal of the planes of the one series in ``ct``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom

BIN = Path(sys.executable).parent
COLORS = ((220, 120, 90), (90, 160, 220), (120, 200, 120), (200, 90, 200))


def ct_files(folder: Path) -> list[Path]:
    """The files of the series along the normal."""
    files = [path for path in (folder / "ct").rglob("*") if path.is_file()]
    headers = {path: pydicom.dcmread(path, stop_before_pixels=True) for path in files}

    def along(path: Path) -> float:
        orientation = np.array(headers[path].ImageOrientationPatient, float)
        return float(np.cross(orientation[:3], orientation[3:]) @ np.array(headers[path].ImagePositionPatient, float))

    return sorted(files, key=along)


def load(folder: Path) -> dict[str, np.ndarray]:
    """The masks by name, bool [k, j, i]."""
    with np.load(folder / "masks.npz") as stored:
        return {name: stored[name].astype(bool) for name in stored.files}


def reference(folder: Path):  # noqa: ANN201
    """The CT as an ITK image, planes along the normal."""
    import SimpleITK as sitk

    return sitk.ReadImage([str(path) for path in ct_files(folder)])


def write_rt_utils(folder: Path, out: Path) -> None:
    """RT structure set by rt-utils, corners on pixel centres."""
    from rt_utils import RTStructBuilder

    builder = RTStructBuilder.create_new(dicom_series_path=str(ct_files(folder)[0].parent))
    for name, mask in load(folder).items():
        builder.add_roi(mask=np.transpose(mask, (1, 2, 0)), name=name)
    builder.save(str(out / "rtstruct.dcm"))


def write_dicomrttool(folder: Path, out: Path) -> None:
    """RT structure set by DicomRTTool, marching squares."""
    from DicomRTTool.ReaderWriter import DicomReaderWriter

    masks = load(folder)
    reader = DicomReaderWriter(description="round trip", arg_max=False)
    reader.walk_through_folders(str(ct_files(folder)[0].parent))
    reader.set_index(0)
    reader.get_images()
    one_hot = np.stack([np.zeros_like(next(iter(masks.values()))), *masks.values()], axis=-1).astype(np.float32)
    reader.prediction_array_to_RT(prediction_array=one_hot, output_dir=str(out), ROI_Names=list(masks))


def write_plastimatch(folder: Path, out: Path) -> None:
    """RT structure set by plastimatch, marching squares, holes as keyholes."""
    import SimpleITK as sitk

    image, prefix = reference(folder), out / "masks"
    prefix.mkdir()
    for name, mask in load(folder).items():
        made = sitk.GetImageFromArray(mask.astype(np.uint8))
        made.CopyInformation(image)
        sitk.WriteImage(made, str(prefix / f"{name}.nrrd"))
    ct = str(ct_files(folder)[0].parent)
    run("plastimatch", "convert", "--input-prefix", prefix, "--output-dicom", out / "all", "--referenced-ct", ct)
    for path in (out / "all").glob("rtss*"):
        path.rename(out / "rtstruct.dcm")
    shutil.rmtree(out / "all")
    shutil.rmtree(prefix)


def segments_of_highdicom(masks: dict[str, np.ndarray]):  # noqa: ANN201
    """Descriptions of the segments, uncoded."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    return [
        hd.seg.SegmentDescription(n, name, codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL")
        for n, name in enumerate(masks, start=1)
    ]


def write_highdicom(folder: Path, out: Path, kind: str = "BINARY") -> None:
    """Segmentation by highdicom."""
    import highdicom as hd

    masks = load(folder)
    sources = [pydicom.dcmread(path) for path in ct_files(folder)]
    values = np.stack(list(masks.values()), axis=-1).astype(np.uint8)
    if kind == "LABELMAP":
        labels = np.zeros(values.shape[:3], np.uint8)
        for n in range(values.shape[3]):
            labels[values[..., n] > 0] = n + 1
        values = labels
    made = hd.seg.Segmentation(
        sources, values, kind, segments_of_highdicom(masks), hd.UID(), 1, hd.UID(), 1, "M", "M", "1", "1"
    )
    made.save_as(out / "seg.dcm")


def write_highdicom_labelmap(folder: Path, out: Path) -> None:
    """Label map segmentation (2024) by highdicom, with its background."""
    write_highdicom(folder, out, "LABELMAP")


def write_dcmqi(folder: Path, out: Path) -> None:
    """Segmentation by dcmqi."""
    import SimpleITK as sitk

    image, masks = reference(folder), load(folder)
    names = []
    for name, mask in masks.items():
        made = sitk.GetImageFromArray(mask.astype(np.uint8))
        made.CopyInformation(image)
        names.append(str(out / f"{name}.nrrd"))
        sitk.WriteImage(made, names[-1])
    tissue = {"CodeValue": "85756007", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Tissue"}
    attributes = [
        [
            {
                "labelID": 1,
                "SegmentLabel": name,
                "SegmentDescription": name,
                "SegmentAlgorithmType": "MANUAL",
                "SegmentedPropertyCategoryCodeSequence": tissue,
                "SegmentedPropertyTypeCodeSequence": tissue,
                "recommendedDisplayRGBValue": list(COLORS[n % len(COLORS)]),
            }
        ]
        for n, name in enumerate(masks)
    ]
    about = {
        "ContentCreatorName": "R",
        "SeriesDescription": "round trip",
        "SeriesNumber": "300",
        "InstanceNumber": "1",
        "BodyPartExamined": "ABDOMEN",
        "segmentAttributes": attributes,
    }
    (out / "about.json").write_text(json.dumps(about))
    folder_of_ct = ct_files(folder)[0].parent
    run(
        "itkimage2segimage", "--inputImageList", ",".join(names), "--inputDICOMDirectory", folder_of_ct,
        "--outputDICOM", out / "seg.dcm", "--inputMetadata", out / "about.json", "--skip", "0",
    )  # fmt: skip
    for name in names:
        Path(name).unlink()


def affine(folder: Path) -> np.ndarray:
    """RAS affine of the CT, voxel indices i, j, k."""
    image = reference(folder)
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    lps[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def write_nibabel(folder: Path, out: Path) -> None:
    """One NIfTI mask per structure."""
    import nibabel

    for name, mask in load(folder).items():
        nibabel.save(nibabel.Nifti1Image(mask.T.astype(np.uint8), affine(folder)), out / f"{name}.nii.gz")


def write_nibabel_turned(folder: Path, out: Path) -> None:
    """The same masks with the voxels in the order of the nearest anatomical axes (RAS)."""
    import nibabel

    for name, mask in load(folder).items():
        made = nibabel.as_closest_canonical(nibabel.Nifti1Image(mask.T.astype(np.uint8), affine(folder)))
        nibabel.save(made, out / f"{name}.nii.gz")


def write_nibabel_labels(folder: Path, out: Path) -> None:
    """One label map with the table of its names in the header (XML of Caret), later labels over earlier ones."""
    import nibabel

    masks = load(folder)
    labels = np.zeros(next(iter(masks.values())).shape, np.uint8)
    rows = []
    for n, (name, mask) in enumerate(masks.items(), start=1):
        labels[mask] = n
        rows.append(f'<Label Key="{n}" Red="1" Green="0" Blue="0" Alpha="1"><![CDATA[{name}]]></Label>')
    made = nibabel.Nifti1Image(labels.T, affine(folder))
    table = (
        f'<?xml version="1.0"?><CaretExtension><VolumeInformation Index="0"><LabelTable>{"".join(rows)}</LabelTable>'
    )
    text = f"{table}</VolumeInformation></CaretExtension>"
    made.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, text.encode()))
    nibabel.save(made, out / "labels.nii.gz")


def write_itk_metaimage(folder: Path, out: Path) -> None:
    """One MetaImage mask per structure."""
    import SimpleITK as sitk

    image = reference(folder)
    for name, mask in load(folder).items():
        made = sitk.GetImageFromArray(mask.astype(np.uint8))
        made.CopyInformation(image)
        sitk.WriteImage(made, str(out / f"{name}.mha"), useCompression=True)


def read_highdicom(folder: Path) -> dict[str, np.ndarray]:
    """What highdicom reads of seg.dcm."""
    import highdicom as hd

    seg = hd.seg.segread(folder / "seg.dcm")
    numbers = list(seg.segment_numbers)
    volume = seg.get_volume(segment_numbers=numbers, rescale_fractional=False)
    labels = [seg.get_segment_description(number).segment_label for number in numbers]
    return {label: placed(folder, volume.array[..., n], volume.affine) for n, label in enumerate(labels)}


def placed(folder: Path, array: np.ndarray, kji_to_lps: np.ndarray) -> np.ndarray:
    """Voxels [k, j, i] of the CT from a volume whose indices k, j, i an affine takes to LPS."""
    image = reference(folder)
    full = np.zeros(image.GetSize()[::-1], bool)
    for index in np.argwhere(array):
        i, j, k = image.TransformPhysicalPointToIndex((kji_to_lps @ [*index, 1.0])[:3].tolist())
        full[k, j, i] = True
    return full


def read_dcmqi(folder: Path) -> dict[str, np.ndarray]:
    """What dcmqi reads of seg.dcm; its description of the segments goes to dcmqi.json."""
    import SimpleITK as sitk

    out = folder / "read_by_dcmqi"
    out.mkdir()
    run("segimage2itkimage", "--inputDICOM", folder / "seg.dcm", "--outputDirectory", out, "--outputType", "nrrd")
    about = json.loads((out / "meta.json").read_text())
    found = {}
    for n, attributes in enumerate(about["segmentAttributes"], start=1):
        image = sitk.ReadImage(str(out / f"{n}.nrrd"))
        lps = np.eye(4)
        lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
        lps[:3, 3] = image.GetOrigin()
        found[attributes[0]["SegmentLabel"]] = placed(folder, sitk.GetArrayFromImage(image), lps[:, [2, 1, 0, 3]])
    (folder / "dcmqi.json").write_text(json.dumps(about))
    return found


def read_rt_utils(folder: Path) -> dict[str, np.ndarray]:
    """What rt-utils reads of rtstruct.dcm."""
    from rt_utils import RTStructBuilder

    ct = str(ct_files(folder)[0].parent)
    read = RTStructBuilder.create_from(dicom_series_path=ct, rt_struct_path=str(folder / "rtstruct.dcm"))
    return {name: np.transpose(read.get_roi_mask_by_name(name), (2, 0, 1)) for name in read.get_roi_names()}


def read_dicomrttool(folder: Path) -> dict[str, np.ndarray]:
    """What DicomRTTool reads of rtstruct.dcm."""
    from DicomRTTool.ReaderWriter import DicomReaderWriter

    names = [str(roi.ROIName) for roi in pydicom.dcmread(folder / "rtstruct.dcm").StructureSetROISequence]
    found = {}
    for name in names:
        reader = DicomReaderWriter(description="round trip", arg_max=False, Contour_Names=[name.lower()])
        reader.walk_through_folders(str(folder))
        reader.set_index(reader.indexes_with_contours[0])
        reader.get_images_and_mask()
        found[name] = reader.mask[..., 1] > 0
    return found


def read_nibabel(folder: Path) -> dict[str, np.ndarray]:
    """What nibabel reads of the NIfTI files in masks/, in the voxel order of the CT."""
    import nibabel

    found = {}
    for path in sorted((folder / "masks").glob("*.nii.gz")):
        image = nibabel.load(path)
        to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
        array = np.asarray(image.dataobj)
        found[path.name.removesuffix(".nii.gz")] = placed(folder, array.T, to_lps[:, [2, 1, 0, 3]])
    return found


def read_plastimatch(folder: Path) -> dict[str, np.ndarray]:
    """What plastimatch reads of rtstruct.dcm."""
    import SimpleITK as sitk

    out = folder / "read_by_plastimatch"
    ct = str(ct_files(folder)[0].parent)
    source = folder / "rtstruct.dcm"
    run(
        "plastimatch", "convert", "--input", source, "--referenced-ct", ct, "--output-prefix", out,
        "--prefix-format", "nrrd",
    )  # fmt: skip
    return {path.stem: sitk.GetArrayFromImage(sitk.ReadImage(str(path))) > 0 for path in out.glob("*.nrrd")}


def run(program: str, *words: object) -> None:
    """Run a program of this environment; what it says is shown if it fails."""
    made = subprocess.run([str(BIN / program), *map(str, words)], capture_output=True, text=True, check=False)
    if made.returncode:
        raise SystemExit(f"{program} failed:\n{made.stdout[-2000:]}\n{made.stderr[-2000:]}")


def main() -> None:
    """Do what the command line says."""
    what, program, place = sys.argv[1:]
    folder = Path(place)
    if what == "write":
        out = folder / program
        out.mkdir()
        globals()[f"write_{program}"](folder, out)
    else:
        np.savez_compressed(folder / f"{program}.npz", **globals()[f"read_{program}"](folder))


if __name__ == "__main__":
    main()
