"""Suite of the DICOM plugin in the application: it is registered, and offers nothing for what it cannot quantify."""

import unittest

import slicer


class PRRTReaderSuite(unittest.TestCase):
    """The plugin as the DICOM module finds it."""

    def test_the_plugin_is_registered(self) -> None:
        assert "DICOMPRRTPlugin" in slicer.modules.dicomPlugins

    def test_nothing_is_offered_for_no_files(self) -> None:
        plugin = slicer.modules.dicomPlugins["DICOMPRRTPlugin"]()
        assert list(plugin.examineForImport([])) == []


if __name__ == "__main__":
    unittest.main()
