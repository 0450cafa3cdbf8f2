"""Self-contained HTML pages: one style, a title block, warnings first, tables as tables, ready for print."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import cell_text, is_number
from PRRTUptakeLib.formatting import plain_table as plain_table  # reports take it from here too

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MANY_ROWS, _MANY_LETTERS = 8, 1200  # in print, a table or text of more goes on on the next page
_MANY_COLUMNS = 9  # in print, a table of more is set smaller
_RANGE = re.compile(r"[-\d.e+]+ (to [-\d.e+]+|\[[-\d.e+]+[,;] [-\d.e+]+\])")  # short, and one word to the eye
_LONGEST_WORD = 30  # of a cell that does not break within words; UIDs, hashes and addresses do
RESEARCH_USE = "For research use only. Not for diagnosis, treatment planning or any other clinical decision."

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 68rem; margin: 2rem auto;
       padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; margin: .6rem 0; } caption { text-align: left; color: #444; padding-bottom: .3rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
td.long, .identity td { overflow-wrap: anywhere; } td.long { min-width: 9em; }
th { border-bottom: 2px solid #888; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.range { white-space: nowrap; }
.identity th { border: 0; text-align: left; color: #444; font-weight: 600; } .identity td { border: 0; }
.warnings { background: #fff4e0; border-left: 4px solid #d55e00; padding: .5rem 1rem .5rem 2rem; }
.result { font-size: 1.25rem; background: #eef5fb; border-left: 4px solid #0072b2; padding: .6rem 1rem; }
.notice { color: #8a1c00; font-weight: 600; } .small { color: #444; font-size: .9rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
.triple { display: grid; grid-template-columns: repeat(3, 1fr); gap: .6rem; margin-bottom: .8rem; break-inside: avoid; }
.contents { columns: 2; font-size: .9rem; } .contents ul { margin: 0; } details > summary { cursor: pointer; }
summary h2 { display: inline-block; } details h3 { margin-bottom: .2rem; }
.pairs { grid-template-columns: 1fr 1fr; max-width: 52rem; margin-bottom: 1rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1rem; break-inside: avoid; }
.charts > svg { width: 100%; height: auto; max-width: 35rem; }
figure { margin: 0; } figure > svg { width: 100%; height: auto; background: #000; }
figcaption { font-size: .85rem; color: #444; }
code { overflow-wrap: anywhere; } pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
.signatures { width: 100%; table-layout: fixed; } .signatures td { border: 1px solid #888; height: 3.2rem; }
.signatures th { border: 0; vertical-align: middle; }
@page { size: A4; margin: 16mm 14mm; @bottom-right { content: counter(page) " / " counter(pages); font-size: 9pt; } }
@media print { .contents { break-inside: avoid; columns: 3; font-size: 8pt; }
  summary h2::after { content: " (folded; in the file)"; font-weight: 400; font-size: 9pt; }
  body { max-width: none; margin: 0; padding: 0; font-size: 9pt; line-height: 1.35; }
  h2 { break-after: avoid; margin: .9rem 0 .2rem; } h3, .small { break-after: avoid; }
  p { orphans: 3; widows: 3; } .small { break-inside: avoid; } p.long { break-inside: auto; break-after: auto; }
  .pictures { grid-template-columns: 1fr 1fr 1fr; gap: .4rem; } th, td { padding: .1rem .4rem; }
  .pairs { grid-template-columns: repeat(4, 1fr); max-width: none; } .charts { grid-template-columns: 1fr 1fr; }
  .chart > svg { width: auto !important; height: auto !important; max-height: 13cm; } /* two charts fill a page */
  .figures { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem; align-items: end; }
  .figures > .chart > svg { width: 100% !important; max-height: 15cm; } .figures > .tall { grid-column: 1 / -1; }
  figure, table, .warnings, .result { break-inside: avoid; } tr { break-inside: avoid; }
  table.many { break-inside: auto; } caption { break-after: avoid; }
  table.wide { font-size: 8pt; } .wide th, .wide td { padding: .1rem .25rem; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""


_FEW_SECTIONS = 5  # a page with fewer needs no table of contents


def html_page(
    title: str,
    identity: Mapping[str, str],
    warnings: Sequence[str],
    sections: Sequence[str],
    first: Sequence[str] = (),
) -> str:
    """The whole page as text.

    Parameters
    ----------
    title : heading and window title.
    identity : title block, label to value (patient, study, protocol, versions, operator).
    warnings : sentences that must be seen first; shown even if there are none, as such.
    sections : HTML of each section, as `section` makes it; listed in a table of contents where they are many.
    first : sections before the warnings: the result.
    """
    rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in identity.items())
    notes = "".join(f"<li>{escape(text)}</li>" for text in warnings)
    box = f'<ul class="warnings">{notes}</ul>' if warnings else '<p class="small">No warnings.</p>'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<h1>{escape(title)}</h1><p class="notice">{RESEARCH_USE}</p>'
        f'<table class="identity">{rows}</table>{"".join(first)}{box}{_contents(sections)}{"".join(sections)}'
        "</body></html>\n"
    )


def _contents(sections: Sequence[str]) -> str:
    """The table of contents, "" for a few sections."""
    found = [found for one in sections if (found := re.match(r'<section id="([^"]+)">.*?<h2>(.*?)</h2>', one, re.S))]
    if len(found) < _FEW_SECTIONS:
        return ""
    items = "".join(f'<li><a href="#{one[1]}">{one[2]}</a></li>' for one in found)
    return f'<nav class="contents" aria-label="Contents"><ul>{items}</ul></nav>'


def _anchor(heading: str) -> str:
    """The name of a section in links.

    Examples
    --------
    >>> _anchor("Cycle 1, 24h: what another reference would have given")
    'cycle-1-24h-what-another-reference-would-have-given'
    """
    return "-".join(re.findall(r"[a-z0-9]+", heading.lower())) or "section"


def section(heading: str, *parts: str) -> str:
    """A section of the page: an escaped heading and parts that are HTML already."""
    return f'<section id="{_anchor(heading)}"><h2>{escape(heading)}</h2>{"".join(parts)}</section>'


def folded(heading: str, *sections: str) -> str:
    """Sections in one that is opened by a click, their headings one level lower; print shows its heading only."""
    inner = "".join(
        re.sub(r"<(/?)h2>", r"<\1h3>", re.sub(r'<section id="[^"]*">', "<section>", one)) for one in sections
    )
    head = f"<summary><h2>{escape(heading)}</h2></summary>"
    return f'<section id="{_anchor(heading)}"><details>{head}{inner}</details></section>'


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of plain text; ``style`` names a class of the page's style sheet."""
    kinds = [style] * bool(style) + ["long"] * (len(text) > _MANY_LETTERS)
    mark = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<p{mark}>{escape(text)}</p>"


def charts(*drawn: str) -> str:
    """Charts (SVG) beside each other, where there is room for two.

    Examples
    --------
    >>> charts("<svg/>", "<svg/>")
    '<div class="charts"><svg/><svg/></div>'
    """
    return f'<div class="charts">{"".join(drawn)}</div>'


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """A table; cells that are numbers are set flush right, floats with four significant digits, nan blank.

    Examples
    --------
    >>> table(["lesion"], [["L1"]])
    '<table><thead><tr><th>lesion</th></tr></thead><tbody><tr><td>L1</td></tr></tbody></table>'
    >>> table(["T/N", "95 %"], [[12.3456, "8.77 to 14.8"]]).partition("<tbody>")[2]
    '<tr><td class="number">12.35</td><td class="range">8.77 to 14.8</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    words = f"<caption>{escape(caption)}</caption>" if caption else ""
    letters = sum(len(cell_text(value)) for row in rows for value in row)
    kinds = ["many"] if len(rows) > _MANY_ROWS or letters > _MANY_LETTERS else []
    kinds += ["wide"] if len(header) > _MANY_COLUMNS else []
    mark = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<table{mark}>{words}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def signature_table(roles: Sequence[str]) -> str:
    """Empty fields for name, date and signature of each role.

    Examples
    --------
    >>> signature_table(["Medical physicist"]).count("<td></td>")
    3
    """
    lines = "".join(f"<tr><th>{escape(role)}</th>{'<td></td>' * 3}</tr>" for role in roles)
    return f'<table class="signatures"><tr><th></th><th>Name</th><th>Date</th><th>Signature</th></tr>{lines}</table>'


def _cell(value: object) -> str:
    shown = cell_text(value)
    unbroken = max((len(word) for word in shown.split()), default=0)
    kind = "number" if is_number(value) else "long" if unbroken > _LONGEST_WORD else ""
    kind = "range" if not kind and _RANGE.fullmatch(shown) else kind
    mark = f' class="{kind}"' if kind else ""
    return f"<td{mark}>{escape(shown)}</td>"
