"""What differs between the images of two routes beside the route: each changes a ratio of SUVs as if it were uptake."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.acquisition import acquisition_of, differences
from PRRTUptakeLib.dicom.headers import items, label, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.study.route_uptake import RoutedImage

_WORDS = {"IA": "intra-arterial", "IV": "intravenous"}
_OTHER = {"IA": "IV", "IV": "IA"}
_NAMED = {
    "IA": re.compile(r"(?<![a-z])(i\.?a\.?|intra[ _-]?arterial\w*)(?![a-z])", re.IGNORECASE),
    "IV": re.compile(r"(?<![a-z])(i\.?v\.?|intra[ _-]?venous\w*)(?![a-z])", re.IGNORECASE),
}
_WEIGHTS_AGREE = 0.05  # relative; beyond what a patient gains or loses in the days between two scans
_UNNAMED = ("serial number", "matrix")  # another camera is known by its model, another matrix by its voxels


def route_named(words: str) -> str:
    """The route (IA or IV) that words name, "" if none or both.

    Examples
    --------
    >>> [route_named(words) for words in ("IA", "PET i.v. day 3", "Intra-arterial route", "VIA", "IA/IV")]
    ['IA', 'IV', 'IA', '', '']
    """
    found = [route for route, pattern in _NAMED.items() if pattern.search(words)]
    return found[0] if len(found) == 1 else ""


def weight_doubts(ia: RoutedImage, iv: RoutedImage) -> list[str]:
    """A warning where the SUVs of the two images were made with different weights of the patient."""
    one, other = (shown.image.provenance.get("weight_kg") for shown in (ia, iv))
    if not one or not other or abs(one / other - 1) <= _WEIGHTS_AGREE:
        return []
    return [
        f"The patient weighs {one:g} kg by the IA image and {other:g} kg by the IV image, which changes every ratio of "
        f"their SUVs by {one / other:.3g}: correct the weight that is wrong under 'quantification'."
    ]


def series_doubts(routes: Sequence[tuple[str, str, Series | None]]) -> list[str]:
    """Warnings from the headers of the two images.

    Parameters
    ----------
    routes : stated route (IA or IV), name of the visit, and series of each; IA first.
    """
    found = []
    for route, visit, series in routes:
        if route_named(visit) == _OTHER[route]:
            found.append(f"Visit '{visit}' is stated to be {_WORDS[route]}, against its name: check 'route' of both.")
        header = "" if series is None else _header_route(series)
        if route == "IV" and header == "IA":  # scanners write intravenous unless somebody changes it
            found.append(
                f"Visit '{visit}' is stated to be {_WORDS[route]}, but {label('RadiopharmaceuticalRoute')} of its "
                f"image is {_WORDS[header]}: check 'route' of both."
            )
    (_, _, first), (_, _, second) = routes
    return found if first is None or second is None else [*found, *_made_differently(first, second)]


def _header_route(series: Series) -> str:
    dataset, where = series.headers[0].dataset, series.label
    for item in items(dataset, "RadiopharmaceuticalInformationSequence", where)[:1]:
        codes = [text(code, "CodeMeaning", where) for code in items(item, "AdministrationRouteCodeSequence", where)]
        return route_named(" ".join([text(item, "RadiopharmaceuticalRoute", where), *codes]))
    return ""


def _made_differently(first: Series, second: Series) -> list[str]:
    """One sentence on camera and reconstruction, where both headers name them."""
    named = [
        f"{name} {one} after IA, {other} after IV"
        for name, (one, other) in differences(acquisition_of(first), acquisition_of(second)).items()
        if one and other and name not in _UNNAMED
    ]
    if not named:
        return []
    return [
        f"The images were not made alike ({'; '.join(named)}): maximum and peak of a lesion change with that, and "
        "their ratio as if it were uptake."
    ]
