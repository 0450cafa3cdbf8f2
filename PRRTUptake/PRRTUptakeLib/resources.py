"""Where the shipped resource files lie, in a checkout and in Slicer's flat module folder alike."""

from __future__ import annotations

from pathlib import Path

from PRRTUptakeLib.errors import PRRTError


def resource_path(library_file: str, *parts: str) -> Path:
    """Path of a file or folder below ``Resources`` of the module that ``library_file`` (a ``__file__``) belongs to.

    Slicer copies ``NameLib/`` and ``Resources/`` side by side, as they are in the source tree; a wheel has
    ``Resources`` inside ``NameLib``, since packages share their folder with those of others.

    Raises
    ------
    PRRTError
        If there is no such file: the installation is incomplete.
    """
    for folder in Path(library_file).resolve().parents:
        if folder.name.endswith("Lib"):
            for place in (folder.parent, folder):
                path = place.joinpath("Resources", *parts)
                if path.exists():
                    return path
            break
    raise PRRTError(f"The shipped file Resources/{'/'.join(parts)} is missing: install SlicerPRRT again.")
