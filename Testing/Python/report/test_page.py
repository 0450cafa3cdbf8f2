"""Tables of the reports: what print needs of them."""

from __future__ import annotations

import pytest
from PRRTUptakeLib.report.cohort_report import _figure
from PRRTUptakeLib.report.page import charts, html_page, paragraph, table


def test_in_print_a_table_of_many_rows_goes_on_on_the_next_page_under_its_header():
    short, long = (table(["a"], [["x"]] * rows) for rows in (8, 9))
    assert 'class="many"' in long
    assert 'class="many"' not in short
    assert long.index("</thead>") < long.index("<tbody>")
    assert 'class="many"' in table(["decisions"], [["word " * 300]])


def test_in_print_a_table_of_many_columns_is_set_smaller():
    assert 'class="wide"' in table(list("abcdefghij"), [])
    assert "class=" not in table(list("abcdefghi"), [])


@pytest.mark.parametrize("text", ["8.77 to 14.8", "-1e-05 to 2", "3.33 [2.51, 4.56]", "3.33 [2.51; 4.56]"])
def test_an_interval_is_kept_on_one_line(text):
    assert f'<td class="range">{text}</td>' in table(["95 %"], [[text]])


@pytest.mark.parametrize("text", ["8.77 to the liver", "1 to 2 to 3", "3.33 [2.51"])
def test_other_words_may_be_broken(text):
    assert f"<td>{text}</td>" in table(["95 %"], [[text]])


def test_in_print_a_long_paragraph_goes_on_on_the_next_page():
    assert paragraph("word " * 50, "small") == f'<p class="small">{"word " * 50}</p>'
    assert paragraph("word " * 300, "small").startswith('<p class="small long">')
    assert "p.long { break-inside: auto; break-after: auto; }" in html_page("t", {}, [], [])


def test_charts_of_a_result_are_beside_each_other_on_paper():
    assert charts("<svg>1</svg>", "<svg>2</svg>") == '<div class="charts"><svg>1</svg><svg>2</svg></div>'
    assert ".charts { grid-template-columns: 1fr 1fr; }" in html_page("t", {}, [], []).partition("@media print")[2]


def test_figures_of_a_cohort_are_in_two_columns_on_paper_but_for_tall_ones():
    assert 'class="chart"' in _figure('<svg width="560" height="384">', "wide")
    assert 'class="chart tall"' in _figure('<svg width="400" height="900">', "forest of many patients")
    printed = html_page("t", {}, [], []).partition("@media print")[2]
    assert ".figures { display: grid; grid-template-columns: 1fr 1fr;" in printed
    assert ".figures > .tall { grid-column: 1 / -1; }" in printed
