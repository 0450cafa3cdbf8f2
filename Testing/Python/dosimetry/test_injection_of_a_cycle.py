"""When and what was injected: time zero of curves and maps, the infusion's end, images that contradict each other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pydicom
import pytest
from builders.two_cycles import changed, values
from PRRTDosimetryLib.dosimetry.cycle import add_doses
from PRRTDosimetryLib.dosimetry.dose_maps import CycleDoseMap, add_dose_maps
from PRRTDosimetryLib.dosimetry.one_injection import contradiction
from PRRTUptakeLib.dicom.injection import Injection, injection_of
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.protocol import load_protocol

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("two_cycles")]  # whole patients; one worker keeps them


def infused(zero, hours):
    """The visit with an infusion of so many hours (None: not stated), hours counted from ``zero``."""

    def change(visit):
        imaging = replace(visit.protocol.imaging, time_zero=zero)
        end = None if hours is None else visit.injection.time + timedelta(hours=hours)
        injection = replace(visit.injection, end=end)
        return replace(visit, protocol=replace(visit.protocol, imaging=imaging), injection=injection)

    return change


@pytest.mark.parametrize(("zero", "shift_h"), [("start", 0.0), ("mid", 1.0), ("end", 2.0)])
def test_time_zero_shifts_every_curve(measured, zero, shift_h):
    """A mono-exponential that starts later by s holds 2^(-s/T) of the integral."""
    before = changed(measured, lambda visit: visit, cycles=(1,), model="mono")
    after = changed(measured, infused(zero, 2.0), cycles=(1,), model="mono")
    full, half_lives = values(before, "tia", 1), values(before, "effective_half_life", 1)
    for name, tia_MBq_h in values(after, "tia", 1).items():
        assert tia_MBq_h == pytest.approx(full[name] * 2 ** (-shift_h / half_lives[name]), rel=1e-5), name


def test_time_zero_shifts_the_dose_map_as_it_does_the_curves(measured):
    """Images at 24 and 96 h, infused for 2 h: a mono-exponential that starts later by s holds 2^(-s/T) of it."""
    maps = {}
    for zero in ("start", "end"):
        outcome = changed(measured, infused(zero, 2.0), cycles=(1,), dose_map="local")
        maps[zero] = add_dose_maps(outcome).part(CycleDoseMap).made
    full, later = maps["start"].tia.tia.array, maps["end"].tia.tia.array
    half_life_h = maps["start"].tia.half_life.array
    active = full > 0.05 * full.max()
    assert active.sum() > 1000
    np.testing.assert_allclose(later[active], full[active] * 2 ** (-2.0 / half_life_h[active]), rtol=1e-3)


@pytest.mark.parametrize(
    ("zero", "hours", "words"),
    [
        ("mid", None, "the middle of the infusion, but visit '24h' does not state its end"),
        ("end", -1.0, "before its start"),
        ("end", 30.0, "before the injection"),
    ],
)
def test_time_zero_without_a_usable_end_is_one_sentence(measured, zero, hours, words):
    outcome = changed(measured, infused(zero, hours), cycles=(1,))
    assert [text for text in outcome.warnings if text.startswith("Cycle 1: no doses.") and words in text]
    assert values(outcome, "tia", 1) == {}


@pytest.mark.parametrize(
    ("key", "other", "words"),
    [
        ("nuclide", "I-131", "different radionuclides (I-131, Lu-177)"),
        ("activity_MBq", 7300.0, "different administered activities"),
        ("time", timedelta(days=1), "different times of injection"),
        ("time", timedelta(minutes=-11), "different times of injection"),
    ],
)
def test_images_that_contradict_each_other_on_the_injection_have_no_doses(measured, key, other, words):
    def change(visit):
        if visit.labels.visit != "96h":
            return visit
        value = getattr(visit.injection, key) + other if key == "time" else other
        return replace(visit, injection=replace(visit.injection, **{key: value}))

    outcome = changed(measured, change, cycles=(1,))
    assert [text for text in outcome.warnings if text.startswith("Cycle 1: no doses.") and words in text]
    assert values(outcome, "dose", 1) == {}


def test_cycles_of_one_injection_are_warned_of_and_cycles_weeks_apart_are_not(measured):
    def weeks_later(visit):
        later = visit.injection.time + timedelta(weeks=8) if visit.injection else None
        return replace(visit, injection=replace(visit.injection, time=later)) if later else visit

    text = "Cycles 1 and 2 name one injection"
    assert any(text in one for one in changed(measured, lambda visit: visit).warnings)
    apart = [weeks_later(one) if one.labels.cycle == 2 else one for one in measured.visits]
    assert not any(text in one for one in add_doses(replace(measured, visits=tuple(apart))).warnings)


def test_summer_time_that_ends_between_images_is_named():
    """Injected at 10:00 by the clock; the image after the night of the change states winter time."""
    zones = {"24h": timezone(timedelta(hours=2)), "96h": timezone(timedelta(hours=1))}
    given = {
        name: Injection(7400.0, datetime(2025, 10, 24, 10, 0, tzinfo=zone), "Lu-177", "M")
        for name, zone in zones.items()
    }
    text = contradiction(given)
    assert "2025-10-24T10:00:00+02:00 by visit '24h', 2025-10-24T10:00:00+01:00 by visit '96h'" in text
    assert "summer time began or ended" in text
    assert "'injection_time' with its offset from UTC under 'quantification'" in text
    given["96h"] = replace(given["96h"], time=given["24h"].time.astimezone(zones["96h"]))
    assert contradiction(given) == ""


def test_injection_times_that_differ_by_minutes_do_no_harm(measured):
    def change(visit):
        later = visit.injection.time + timedelta(minutes=5 if visit.labels.visit == "96h" else 0)
        return replace(visit, injection=replace(visit.injection, time=later))

    assert values(changed(measured, change, cycles=(1,)), "dose", 1)


def test_protocol_states_time_zero(tmp_path, folder):
    lutia = load_protocol("lutia")
    assert lutia.imaging.time_zero == "start"
    content = json.loads(json.dumps(_as_file("lutia")))
    content["imaging"]["time_zero"] = "mid"
    (tmp_path / "mid.json").write_text(json.dumps(content), encoding="utf-8")
    assert load_protocol(tmp_path / "mid.json").imaging.time_zero == "mid"
    content["imaging"]["time_zero"] = "middle"
    (tmp_path / "wrong.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputFileError, match=r"imaging.time_zero.*start, mid, end"):
        load_protocol(tmp_path / "wrong.json")


def _as_file(name):
    from PRRTUptakeLib.resources import resource_path
    from PRRTUptakeLib.study import protocol

    return json.loads(resource_path(protocol.__file__, "Protocols", f"{name}.json").read_text(encoding="utf-8"))


def test_header_states_the_end_of_the_infusion(folder, tmp_path, made):
    scan_time = made.visits[0].image.reference_time
    emission = next(one for one in find_series(folder / "patient" / "24h" / "DICOM") if one.modality == "NM")
    before = injection_of(emission, scan_time)
    assert before.end is None
    dataset = pydicom.dcmread(emission.files[0])
    item = dataset.RadiopharmaceuticalInformationSequence[0]
    item.RadiopharmaceuticalStopDateTime = (before.time + timedelta(minutes=90)).strftime("%Y%m%d%H%M%S.%f%z")
    dataset.save_as(tmp_path / "spect.dcm")
    (again,) = find_series(tmp_path)
    assert injection_of(again, scan_time).end - before.time == timedelta(minutes=90)
