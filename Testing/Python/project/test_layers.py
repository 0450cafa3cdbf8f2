"""The arrows between layers and rooms, read from the imports: data flows one way, science knows nothing of Slicer."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
UPTAKE = ROOT / "PRRTUptake" / "PRRTUptakeLib"
DOSIMETRY = ROOT / "PRRTDosimetry" / "PRRTDosimetryLib"
APPLICATION = {"slicer", "vtk", "vtkmodules", "qt", "ctk"}
# A room may import from itself and from the rooms before it; commands come last, beside them the panels' sections.
ROOMS = {
    "PRRTUptakeLib": [
        *("nuclides", "imaging", "registration", "dicom", "synthetic", "segmentation", "uptake", "study", "statistics"),
        *("cohort", "report", "export", "archive", "mrml", "review", "commands", "panel"),
    ],
    "PRRTDosimetryLib": [
        *(
            "kinetics",
            "population",
            "dose",
            "transport",
            "effect",
            "uncertainty",
            "dosimetry",
            "camera",
            "report",
            "selftest",
            "mrml",
        ),
        *("commands", "panel"),
    ],
}
# Of no room: all may use them.
SHARED = {
    *("errors", "resources", "command_line", "progress", "versions", "atomic_write", "table_file", "vocabulary"),
    "formatting",
}
ROOM_NAMES = {name for rooms in ROOMS.values() for name in rooms}
OPTIONAL = {
    "trame",
    "trame_slicer",
    "aiohttp",
    "playwright",
    "matplotlib",
    "ompmc",
    "statsmodels",
    "dask",
    "distributed",
    "pandas",
    "pynetdicom",
    "dicomweb_client",
    "requests",
}

FILES = sorted([*UPTAKE.rglob("*.py"), *DOSIMETRY.rglob("*.py")])
IDS = [str(path.relative_to(ROOT)) for path in FILES]


def imported(path: Path) -> list[tuple[str, bool]]:
    """Names of the modules that a file imports, and whether at file scope (not inside a function or type checking)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{path.name}: relative import; the Lib folders are copied flat, so import absolutely"
            )
            found.append((node.module or "", id(node) in top))
            found += [(f"{node.module}.{alias.name}", id(node) in top) for alias in node.names]
    return found


def room(parts: tuple[str, ...] | list[str], library: str) -> str:
    """The room that a module of ``library`` belongs to, "" for the shared files."""
    if tuple(parts[:2]) == ("statistics", "ties"):
        return ""  # what counts as equal is one rule for all rooms; the module itself imports from none
    name = "cohort" if tuple(parts[:2]) == ("study", "cohort") else (parts[0] if parts else "")
    return name if name in ROOMS[library] else ""


def test_the_rooms_are_those_of_the_design():
    for library, folder in (("PRRTUptakeLib", UPTAKE), ("PRRTDosimetryLib", DOSIMETRY)):
        packages = {path.parent.name for path in folder.glob("*/__init__.py")}
        assert packages | {"commands"} == set(ROOMS[library]) - {"cohort"}  # a room of its own within study


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_science_never_imports_the_application(path):
    roots = {name.split(".")[0] for name, _ in imported(path)}
    forbidden = {"mrml": {"qt", "ctk"}, "panel": set()}.get(path.parent.name, APPLICATION)
    assert not roots & forbidden, f"{path.name} imports {roots & forbidden}"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_rooms_import_only_from_earlier_rooms(path):
    library = "PRRTUptakeLib" if UPTAKE in path.parents else "PRRTDosimetryLib"
    own = room(path.relative_to(UPTAKE if library == "PRRTUptakeLib" else DOSIMETRY).with_suffix("").parts, library)
    for name, _ in imported(path):
        root, *rest = name.split(".")
        if library == "PRRTUptakeLib":
            assert root != "PRRTDosimetryLib", f"{path.name}: uptake must not know dosimetry"
        if root != library or not rest or rest[0] in SHARED:
            continue
        other = room(rest, library)
        order = ROOMS[library]
        if not own:
            assert not other, f"{path.name} is shared by all rooms and must not import from the room '{other}'"
        elif other:
            assert order.index(other) <= order.index(own), f"{path.name} ({own}) imports {name}: against the flow"


def test_every_file_of_the_node_layer_works_with_nodes():
    """What imports neither Slicer nor VTK nor a helper for nodes has its place in another room."""
    for library in (UPTAKE, DOSIMETRY):
        for path in (one for one in library.glob("mrml/*.py") if one.name not in ("__init__.py", "errors.py")):
            names = {name for name, _ in imported(path)}
            nodes = {
                name for name in names if name.split(".")[0] in ("slicer", "vtk", "vtkmodules") or ".mrml." in name
            }
            assert nodes, f"{path.name} knows no node: move it out of mrml"


def test_designs_are_compared_in_their_registry_only():
    """Nothing but the registry asks which design a protocol names; traits and types say the rest."""
    for path in FILES:
        if (UPTAKE / "study" / "designs") in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                named = [one for one in sides if isinstance(one, ast.Attribute) and one.attr == "design"]
                assert not named, f"{path.name}, line {node.lineno}: ask the design for a trait instead"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_what_slicer_does_not_bundle_is_imported_where_used(path):
    roots = {name.split(".")[0] for name, top in imported(path) if top}
    assert not roots & OPTIONAL, f"{path.name} imports {roots & OPTIONAL} at file scope"


def test_errors_are_in_the_errors_file_of_their_room():
    """One base for each room, and those that a caller treats in another way; private ones stay where they are used."""
    misplaced = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in FILES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        and node.name.endswith("Error")
        and not node.name.startswith("_")
        and path.name != "errors.py"
    ]
    assert not misplaced, misplaced


def test_every_error_beside_a_rooms_base_is_caught_somewhere():
    """Callers tell no two errors apart that nobody catches: such a class only adds a name."""
    caught = {"InputFileError"}  # the loader promises it, so that scripts can treat a bad file in another way
    for path in [*FILES, *(ROOT / "Testing").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type is not None:
                caught |= {part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)}
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
                caught |= {part.id for part in node.args if isinstance(part, ast.Name)}
    for path in (one for one in FILES if one.name == "errors.py" and one.parent.name in ROOM_NAMES):
        classes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
        for node in classes[1:]:
            where = path.relative_to(ROOT)
            assert node.name in caught, f"{where}: {node.name} is caught nowhere: raise {classes[0].name} instead"
