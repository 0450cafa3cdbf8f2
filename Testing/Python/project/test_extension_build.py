"""What Slicer would install: every file is listed, and the listed files alone, laid out flat, can do the work."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULES = ("PRRTUptake", "PRRTDosimetry")


def listed(module: str, variable: str) -> list[str]:
    text = (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8")
    match = re.search(rf"set\({variable}\n(.*?)\n\s*\)", text, re.DOTALL)
    assert match, f"{module}/CMakeLists.txt has no list {variable}"
    return match.group(1).replace("${MODULE_NAME}", module).split()


def on_disk(module: str, *patterns: str) -> list[str]:
    folder = ROOT / module
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(str(path.relative_to(folder).as_posix()) for path in files if "__pycache__" not in path.parts)


@pytest.mark.parametrize("module", MODULES)
def test_every_file_is_listed(module):
    assert sorted(listed(module, "MODULE_PYTHON_SCRIPTS")) == on_disk(module, "*.py", f"{module}Lib/**/*.py")
    assert sorted(listed(module, "MODULE_PYTHON_RESOURCES")) == on_disk(module, "Resources/**/*")


def test_resource_names_are_unique_across_modules():
    names = [name for module in MODULES for name in listed(module, "MODULE_PYTHON_RESOURCES")]
    assert len(names) == len(set(names)), "both modules are installed into one folder: a resource would be overwritten"


def test_python_files_next_to_the_modules_are_modules():
    """Slicer takes every .py directly in a module folder for a module: a class of the file's name must be in it."""
    for module in MODULES:
        for path in (ROOT / module).glob("*.py"):
            assert re.search(rf"^class {path.stem}\b", path.read_text(encoding="utf-8"), re.MULTILINE), path.name


def test_cmake_names_both_modules_and_their_tests():
    top = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "cmake_minimum_required(VERSION 3.28.0" in top
    assert "project(PRRT)" in top
    for module in MODULES:
        text = (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8")
        assert f"add_subdirectory({module})" in top
        assert "slicerMacroBuildScriptedModule(" in text
        assert "slicer_add_python_unittest(SCRIPT ${MODULE_NAME}.py)" in text
    calls = [
        line.strip()
        for path in ROOT.rglob("CMakeLists.txt")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith("slicer_add_python_unittest(")
    ]
    own = [line for line in calls if "${MODULE_NAME}" in line]
    assert len(own) == len(MODULES), "CTest would run a module's test class twice"
    others = [line for line in calls if line not in own]
    assert len(set(others)) == len(others), "CTest would run a suite twice"


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """One flat folder with only the listed files, as Slicer installs an extension's scripted modules."""
    folder = tmp_path_factory.mktemp("qt-scripted-modules")
    for module in MODULES:
        for name in (*listed(module, "MODULE_PYTHON_SCRIPTS"), *listed(module, "MODULE_PYTHON_RESOURCES")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / module / name, folder / name)
    return folder


@pytest.mark.slow
def test_pipeline_runs_from_the_flat_folder(flat, tmp_path):
    """-P and an empty PYTHONPATH leave no way to reach the checkout, even where it is installed as editable."""
    code = (
        f"import sys; sys.path.insert(0, {str(flat)!r}); sys.meta_path = [f for f in sys.meta_path if "
        "'editable' not in getattr(f, '__name__', '') and 'editable' not in type(f).__module__]\n"
        "import PRRTUptakeLib, PRRTDosimetryLib\n"
        f"assert PRRTUptakeLib.__file__.startswith({str(flat)!r}), PRRTUptakeLib.__file__\n"
        f"assert PRRTDosimetryLib.__file__.startswith({str(flat)!r}), PRRTDosimetryLib.__file__\n"
        "from PRRTDosimetryLib.commands import main\n"
        f"sys.exit(main(['demo', '-o', {str(tmp_path / 'demo')!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "demo").is_dir()
    assert list((tmp_path / "demo").rglob("report.html"))


_PANELS = """
import sys
sys.meta_path = [f for f in sys.meta_path
                 if "editable" not in getattr(f, "__name__", "") and "editable" not in type(f).__module__]
sys.path[:] = [{flat!r}, {testing!r}, *(p for p in sys.path if "PRRT" not in p)]
from pathlib import Path
from slicer_standin.application import load_module, running_slicer
with running_slicer() as application:
    import slicer
    panels = []
    for name in ("DICOMPRRTPlugin", "PRRTDosimetry", "PRRTUptake"):  # the order in which Slicer loads them
        module = load_module(Path({flat!r}) / f"{{name}}.py")
        if name.startswith("PRRT"):
            panels.append(module.widgetRepresentation().self())
            assert Path(panels[-1].resourcePath(f"Icons/{{name}}.png")).is_file()
    application.start()
    for panel in panels:
        panel.enter()
        panel.refresh()
        assert panel.ui.protocolComboBox.count == 4, panel.ui.protocolComboBox.count
    roots = {{name.split(".")[0] for name in sys.modules}}
    heavy = sorted(roots & {{"scipy", "SimpleITK", "pydicom", "highdicom", "matplotlib"}})
    for name in ("PRRTUptakeLib", "PRRTDosimetryLib"):
        assert sys.modules[name].__file__.startswith({flat!r}), sys.modules[name].__file__
    import SampleData
    assert all(Path(one.thumbnailFileName).parent == Path({flat!r}) / "Resources/Icons"
               for sources in SampleData.SampleDataLogic.sources.values() for one in sources)
    print(*heavy)
"""


def test_panels_open_from_the_flat_folder(flat, slicer_application):
    """All three modules from one folder: .ui files, icons and protocols are found, and nothing heavy is imported."""
    code = _PANELS.format(flat=str(flat), testing=str(ROOT / "Testing" / "Python"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == []
