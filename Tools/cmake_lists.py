"""Write the lists of scripts and resources in both modules' CMakeLists.txt from what is on the disk.

``python Tools/cmake_lists.py`` after a file was added, moved or removed: Slicer installs listed files only.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VARIABLES = ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES")


def listed(module: Path, variable: str) -> list[str]:
    """Paths that belong into one list, relative to the module's folder, sorted."""
    if variable == "MODULE_PYTHON_RESOURCES":
        found = (module / "Resources").rglob("*")
    else:
        found = [*module.glob("*.py"), *(module / f"{module.name}Lib").rglob("*.py")]
    files = [path for path in found if path.is_file() and "__pycache__" not in path.parts]
    return sorted(path.relative_to(module).as_posix() for path in files)


def main() -> None:
    """Rewrite the lists in place."""
    for module in (ROOT / "PRRTUptake", ROOT / "PRRTDosimetry"):
        path = module / "CMakeLists.txt"
        text = path.read_text(encoding="utf-8")
        for variable in VARIABLES:
            lines = "\n".join(f"  {name}" for name in listed(module, variable))
            text = re.sub(rf"set\({variable}\n.*?\n(\s*)\)", rf"set({variable}\n{lines}\n\1)", text, flags=re.S)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
