"""Parts of other modules of Slicer that the extension adds to: DICOM, Segment Statistics, Sample Data."""

from __future__ import annotations

import types
from dataclasses import dataclass
from pathlib import Path

import slicer


class DicomDatabase:
    """``slicer.dicomDatabase``: values of a file's attributes by ``"gggg,eeee"``, and files by series and instance."""

    def __init__(self):
        self._files = {}

    def import_folder(self, folder):
        """What the user does in the DICOM module."""
        for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            uids = [self.fileValue(str(path), tag) for tag in ("0008,0018", "0020,000e")] if _is_dicom(path) else [""]
            if uids[0]:
                self._files[uids[0]] = str(path), uids[1]

    def filesForSeries(self, uid, hits=-1):
        found = tuple(path for path, series in self._files.values() if series == uid)
        return found if hits < 0 else found[:hits]

    def fileForInstance(self, uid):
        return self._files.get(uid, ("", ""))[0]

    def patients(self):
        """Rows of the database, which count from 1."""
        return tuple(str(n) for n, _ in enumerate(self._patients(), start=1))

    def _patients(self):
        return sorted({self.fileValue(path, "0010,0020") for path, _ in self._files.values()})

    def nameForPatient(self, patient):
        files = (path for path, _ in self._files.values())
        known = self._patients()[int(patient) - 1]
        return next(self.fileValue(path, "0010,0010") for path in files if self.fileValue(path, "0010,0020") == known)

    def studiesForPatient(self, patient):
        known = self._patients()[int(patient) - 1]
        files = [path for path, _ in self._files.values() if self.fileValue(path, "0010,0020") == known]
        return tuple(dict.fromkeys(self.fileValue(path, "0020,000d") for path in files))

    def seriesForStudy(self, study):
        return tuple(
            dict.fromkeys(uid for path, uid in self._files.values() if self.fileValue(path, "0020,000d") == study)
        )

    def fileValue(self, path, tag):
        import pydicom

        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        group, element = (int(word, 16) for word in tag.split(","))
        return str(dataset.get((group, element), "").value) if (group, element) in dataset else ""


def _is_dicom(path):
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


class DICOMLoadable:
    """One way to load some files."""

    def __init__(self):
        self.files, self.name, self.tooltip, self.warning = [], "Unknown", "No further information available", ""
        self.selected, self.confidence = False, 0.5


class DICOMPlugin:
    """Base of the plugins of the DICOM module."""

    def __init__(self):
        self.loadType = "Generic DICOM"
        self.loadableCache = {}
        self.tags = {"modality": "0008,0060", "seriesDescription": "0008,103E", "seriesInstanceUID": "0020,000E"}
        self.tags |= {"seriesNumber": "0020,0011", "frameOfReferenceUID": "0020,0052", "sopClassUID": "0008,0016"}
        self.tags["instanceUID"] = "0008,0018"

    def getCachedLoadables(self, files):
        return self.loadableCache.get(tuple(files))

    def cacheLoadables(self, files, loadables):
        self.loadableCache[tuple(files)] = loadables

    def addSeriesInSubjectHierarchy(self, loadable, node):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        database = slicer.dicomDatabase
        patient = database.fileValue(loadable.files[0], "0010,0020")
        study = database.fileValue(loadable.files[0], "0020,000D")
        root = hierarchy.GetSceneItemID()
        above = hierarchy.GetItemChildWithName(root, patient) or hierarchy.CreateSubjectItem(root, patient)
        place = hierarchy.GetItemChildWithName(above, study) or hierarchy.CreateStudyItem(above, study)
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), place)


class SegmentStatisticsPluginBase:
    """Base of the plugins of Segment Statistics."""

    @staticmethod
    def createCodedEntry(codeValue, codingScheme, codeMeaning, returnAsString=False):
        entry = slicer.vtkCodedEntry()
        entry.SetValueSchemeMeaning(codeValue, codingScheme, codeMeaning)
        return entry.GetAsString() if returnAsString else entry

    @staticmethod
    def createMeasurementInfo(
        name,
        title,
        description,
        units,
        quantityDicomCode=None,
        unitsDicomCode=None,
        measurementMethodDicomCode=None,
        derivationDicomCode=None,
        componentNames=None,
    ):
        info = {"name": name, "title": title, "description": description, "units": units}
        codes = {"DICOM.QuantityCode": quantityDicomCode, "DICOM.UnitsCode": unitsDicomCode}
        for code in filter(None, codes.values()):
            slicer.vtkCodedEntry().SetFromString(code)  # refuses what is no string
        return info | {key: value for key, value in codes.items() if value}

    def __init__(self):
        self.name = self.title = ""
        self.keys, self.defaultKeys, self.parameterNode = [], [], None

    def setParameterNode(self, node):
        self.parameterNode = node
        for key in self.keys:
            name = f"{type(self).__name__}.{key}.enabled"
            if not node.GetParameter(name):
                node.SetParameter(name, str(key in self.defaultKeys))
        self.optionLabels = [self.getMeasurementInfo(key)["name"] for key in self.keys]  # for the check boxes

    def getParameterNode(self):
        return self.parameterNode

    def getRequestedKeys(self):
        name = type(self).__name__
        return [key for key in self.keys if self.parameterNode.GetParameter(f"{name}.{key}.enabled") == "True"]


class SegmentStatisticsLogic:
    """Keeps the plugins' classes; makes each anew without arguments."""

    registeredPlugins: list[type] = []

    @staticmethod
    def registerPlugin(plugin):
        assert isinstance(plugin, SegmentStatisticsPluginBase)
        assert not any("." in key for key in plugin.keys)
        if type(plugin) not in SegmentStatisticsLogic.registeredPlugins:
            SegmentStatisticsLogic.registeredPlugins.append(type(plugin))


@dataclass
class SampleDataSource:
    """One entry; a source without uris fails in Slicer, so it does here."""

    sampleName: str
    uris: str
    fileNames: str
    nodeNames: str
    customDownloader: object
    thumbnailFileName: str


class SampleDataLogic:
    """Keeps the entries."""

    sources: dict[str, list[SampleDataSource]] = {}

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
        loadFileType=None,
    ):
        len(uris)
        if thumbnailFileName and not Path(thumbnailFileName).is_file():
            raise FileNotFoundError(thumbnailFileName)
        source = SampleDataSource(sampleName, uris, fileNames, nodeNames, customDownloader, thumbnailFileName)
        known = SampleDataLogic.sources.setdefault(category, [])
        if str(source) not in map(str, known):  # as Slicer compares them, the function by its address
            known.append(source)


def python_modules() -> dict[str, types.ModuleType]:
    """The modules by the name under which Slicer has them."""
    content = {
        "DICOMLib": (DICOMLoadable, DICOMPlugin),
        "SegmentStatisticsPlugins": (SegmentStatisticsPluginBase,),
        "SegmentStatistics": (SegmentStatisticsLogic,),
        "SampleData": (SampleDataLogic,),
    }
    found = {}
    for name, classes in content.items():
        found[name] = types.ModuleType(name)
        vars(found[name]).update({cls.__name__: cls for cls in classes})
    return found


class Packaging:
    """``slicer.packaging``: remembers what was asked for and installs nothing; ``refuse`` is the user's no."""

    asked: list[tuple[tuple[str, ...], str]] = []
    refuse = False

    @classmethod
    def pip_ensure(cls, requirements, constraints=None, prompt_install=True, requester=None, **options):
        cls.asked.append((tuple(str(one) for one in requirements), requester))
        if cls.refuse:
            raise RuntimeError("Package installation was declined by the user.")

    @staticmethod
    def pip_check(requirements):
        return False

    @staticmethod
    def pip_install(*arguments, **options):
        raise AssertionError("a panel asks by pip_ensure")

    @staticmethod
    def load_requirements(path):
        raise AssertionError("the panels read no requirements")

    load_pyproject_dependencies = load_requirements
