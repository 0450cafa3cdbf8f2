"""Public functions of arrays state the shape of what they take and give."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOT_SCIENCE = {"mrml", "panel"}
ARRAY = re.compile(r"\b(ndarray|NDArray|ArrayLike|Floats|Bools|Ints)\b")
# What counts as a shape: (n, 3), (n,), [k, j, i], 4x4, or words that refer to the shape of something named.
SHAPE = re.compile(
    r"\((?:[\w+*.-]+(?: [x+-] [\w+*-]+)?, ?)+(?:[\w+*.-]+(?: [x+-] [\w+*-]+)?)?\)"
    r"|\[[a-z]\w*(?:, ?[A-Za-z]\w*)+\]|\b[234] ?x ?[234]\b|\bshapes?\b"
)


def _files() -> list[Path]:
    found = [path for folder in ("PRRTUptake", "PRRTDosimetry") for path in (ROOT / folder).glob("*Lib/**/*.py")]
    return sorted(path for path in found if not NOT_SCIENCE & set(path.parts))


def without_shape(tree: ast.Module) -> list[str]:
    """Public functions with arrays in their signature whose docstring has no shape."""
    found = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        types = [ast.unparse(one.annotation) for one in arguments if one.annotation is not None]
        types += [ast.unparse(node.returns)] if node.returns is not None else []
        if any(ARRAY.search(one) for one in types) and not SHAPE.search(ast.get_docstring(node) or ""):
            found.append(node.name)
    return found


@pytest.mark.parametrize("path", _files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_functions_of_arrays_state_shapes(path):
    missing = without_shape(ast.parse(path.read_text(encoding="utf-8")))
    assert not missing, f"say the shape in the docstring, such as (n, 3) or [k, j, i]: {', '.join(missing)}"


@pytest.mark.parametrize(
    ("docstring", "right"),
    [
        ("Points (n, 3) moved.", True),
        ("Values (n,) in order.", True),
        ("A mask [k, j, i] of the liver.", True),
        ("The 4x4 from voxel to world.", True),
        ("Array of the image's shape.", True),
        ("The mean (in Bq/mL) of all voxels.", False),
        ("All values (see below), sorted.", False),
    ],
)
def test_what_counts_as_a_shape(docstring, right):
    tree = ast.parse(f'def f(x: np.ndarray) -> float:\n    """{docstring}"""\n')
    assert (without_shape(tree) == []) == right
