"""Terminology of segments as Slicer stores it: one tag with category, type, modifier and region."""

from __future__ import annotations

from PRRTUptakeLib.segmentation.codes import Code, Structure, structure

TAG = "TerminologyEntry"
CONTEXT = "Segmentation category and type - PRRT"
_REGION_CONTEXT = "Anatomic codes - DICOM master list"
_NO_CODE = "^^"


def terminology_entry(key: str) -> str:
    """The value of the tag ``TerminologyEntry`` for a structure of ``segmentation.codes``.

    Examples
    --------
    >>> terminology_entry("liver").split("~")[1:3]
    ['SCT^123037004^Anatomical Structure', 'SCT^10200004^Liver']
    """
    item: Structure = structure(key)
    codes = [_text(code) for code in (item.category, item.code, item.modifier)]
    return "~".join([CONTEXT, *codes, _REGION_CONTEXT, _text(item.region), _NO_CODE])


def _text(code: Code | None) -> str:
    return f"{code.scheme}^{code.value}^{code.meaning}" if code else _NO_CODE
