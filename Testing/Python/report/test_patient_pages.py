"""Pages of one patient: pictures say what they show, contents lead to the sections, details come last."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import panel_scene
from builders.small_study import small_study
from PRRTUptakeLib.report.page import folded, html_page, section
from PRRTUptakeLib.report.pictures import Shown, SlicePlace, Window, slice_picture
from PRRTUptakeLib.report.study_report import study_report, study_sections
from PRRTUptakeLib.segmentation.segments import Segment
from PRRTUptakeLib.study.run import run
from PRRTUptakeLib.vocabulary import LOBE_COLORS

CHROMIUM = shutil.which("chromium")
FACTS = {"software": {"name": "SlicerPRRT", "version": "0"}, "made_at": "now", "series": [], "alignment": []}
WHERE = SlicePlace(panel_scene.GRID, 22, (slice(0, 56), slice(0, 72)))


def rasters(picture):
    from PIL import Image

    found = re.findall(r'href="data:image/png;base64,([^"]+)"', picture)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in found]


def test_a_picture_has_labels_of_lesions_and_a_colour_bar_with_window_and_unit():
    grid = panel_scene.GRID
    lesion = Segment.from_full("L1", panel_scene.masks()["liver_lesions"], role="target", lesion_id="L<1>")
    liver = Segment.from_full("liver", panel_scene.masks()["liver"], role="organ")
    shown = Shown(panel_scene.activity(), Window(0.0, 30000.0, hot=True), "Bq/ml")
    picture = slice_picture(shown, WHERE, [(lesion, "#fff"), (liver, "#00f")], "caption")
    assert re.findall(r">([^<]+)</text>", picture) == ["L&lt;1&gt;", "30000 Bq/ml", "0"]
    scaled = replace(shown, unit="kBq/mL", per_unit=1e-3)
    assert ">30.0 kBq/mL</text>" in slice_picture(scaled, WHERE, [], "")
    raster, bar = rasters(picture)
    assert raster.shape == (56, 72, 3)
    assert bar[0, 0].tolist() == [255, 255, 255]
    assert bar[-1, 0].tolist() == [0, 0, 0]
    assert grid.shape[1:] == raster.shape[:2]


def test_a_fusion_shows_the_ct_where_there_is_no_uptake_and_colours_where_there_is():
    ct, uptake = panel_scene.ct(), panel_scene.activity()
    grey, hot = Window(-110.0, 190.0), Window(0.0, 30000.0, hot=True)
    alone, _ = rasters(slice_picture(Shown(ct, grey, "HU"), WHERE, [], ""))
    both, bar = rasters(slice_picture(Shown(ct, grey, "Bq/ml", (uptake, hot)), WHERE, [], ""))
    outside = ~panel_scene.masks()["liver"][22]
    inside = panel_scene.masks()["liver_lesions"][22]
    changed = np.abs(both.astype(int) - alone).max(axis=-1)
    assert np.median(changed[outside]) <= 2
    assert changed[inside].min() > 20
    assert np.abs(both[inside].astype(int)[:, 0] - both[inside].astype(int)[:, 2]).max() > 20
    assert bar[bar.shape[0] // 2, 0].tolist() != [128, 128, 128], "the bar is that of the uptake"


def test_contents_lead_to_every_section_and_the_result_is_before_the_warnings():
    sections = [section(f"Part {n} & more", "x") for n in range(5)]
    page = html_page("t", {}, ["careful"], [*sections, folded("Last", section("inner", "y"))], [section("Result", "z")])
    names = re.findall(r'<a href="#([^"]+)">', page)
    assert names == [f"part-{n}-more" for n in range(5)] + ["last"]
    assert all(page.count(f'id="{name}"') == 1 for name in names)
    order = [page.index(text) for text in ("Result", "careful", 'class="contents"', "Part 0 &amp; more</h2>")]
    assert order == sorted(order)
    assert "<h3>inner</h3>" in page
    assert "contents" not in html_page("t", {}, [], sections[:2]).split("</style>")[1]


@pytest.fixture(scope="module")
def measured():
    return run(small_study())


def test_a_patient_is_shown_result_first_then_warnings_pictures_and_details(measured):
    page = study_report(measured, FACTS)
    assert page.index("not corrected for partial volume") < page.index("T/N")
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads[0] == "Cycle 1, 24h: result"
    assert heads[1] == "Cycle 1, 24h: pictures"
    assert heads[-2:] == ["Images", "Provenance"]
    rows = re.findall(r'<div class="triple">(.*?)</div>', page, re.S)
    assert len(rows) == len(measured.visits[0].targets)
    for row in rows:
        captions = re.findall(r"<figcaption>(.*?)</figcaption>", row)
        assert [re.split(r"[:,] (?=CT|SPECT)", one)[-1].split(",")[0] for one in captions] == [
            "CT",
            "SPECT",
            "SPECT on CT",
        ]
    for lobe in ("left", "right"):
        assert f'stroke="{LOBE_COLORS[lobe]}"' in rows[0]


def test_of_many_visits_the_result_is_one_table_and_pictures_are_shown_once(measured):
    one = measured.visits[0]
    visits = tuple(replace(one, labels=replace(one.labels, visit=name)) for name in ("4h", "24h", "72h"))
    first, rest = study_sections(replace(measured, visits=visits))
    assert len(first) == 1
    assert re.findall(r"<th>(.*?)</th>", first[0]) == ["T/N", "cycle 1, 4h", "cycle 1, 24h", "cycle 1, 72h"]
    assert first[0].count("<tr>") == 1 + len(one.targets) + 2 + 1
    heads = [re.search(r"<h2>(.*?)</h2>", text)[1] for text in rest]
    assert heads[:4] == ["Cycle 1, 4h: pictures", *(f"Cycle 1, {name}: details" for name in ("4h", "24h", "72h"))]
    assert all(text.count('class="triple"') == len(one.targets) for text in (rest[0], rest[2], rest[3]))
    assert 'class="triple"' not in rest[1], "shown above already"


@pytest.mark.slow
def test_a_serial_patient_takes_at_most_12_pages(tmp_path):
    if CHROMIUM is None:
        pytest.skip("pages are not counted: chromium is not installed")
    from PRRTDosimetryLib.mrml.run import EXTENSIONS
    from PRRTUptakeLib.export.results import study_facts
    from PRRTUptakeLib.mrml.run import measure_case
    from PRRTUptakeLib.synthetic.cases import write_synthetic_serial

    result = measure_case(write_synthetic_serial(tmp_path / "patient", seed=1), extensions=EXTENSIONS)
    page, pdf = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(study_report(result, study_facts(result)), encoding="utf-8")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-pdf-header-footer",
        f"--print-to-pdf={pdf}",
    ]
    subprocess.run([*command, Path(page).as_uri()], check=True, capture_output=True, timeout=120)
    pages = len(re.findall(rb"/Type\s*/Page[^s]", pdf.read_bytes()))
    assert 3 <= pages <= 12
