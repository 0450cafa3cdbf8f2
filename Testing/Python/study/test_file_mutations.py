"""Files that a person writes, spoilt in a thousand ways: refused in one sentence, or what is taken makes sense."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields, is_dataclass

import jsonschema
import pytest
from builders import full_files
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.schema.json_file import parsed_json
from PRRTUptakeLib.study.schema.kinds import json_schema, kinds
from PRRTUptakeLib.study.schema.place import Place

# Keys that take any words, so that other words there are no mistake; "treated_lobe" may be empty.
ANY_TEXT = {
    *("reason", "source", "same_patient", "$schema", "expected_patient_id", "visit", "title", "name", "identity"),
    *("lesion", "dropped", "chosen", "patient", "dicom", "segments"),
}


def may_be_taken(spoilt):
    if spoilt.path[0] == "notes":
        return spoilt.what not in ("nan", "surrogate", "twice")
    return spoilt.what == "word" and spoilt.path[-1] in {*ANY_TEXT, "treated_lobe", "sex", "dose_map", "accumulate"}


def refusal(read, spoilt):
    """The sentence of a refusal, "" if the file was taken; any other exception fails the test."""
    try:
        read(spoilt.text)
    except PRRTError as error:
        sentence = str(error)
        assert len(sentence) < 600, sentence
        assert "\n" not in sentence
        sentence.encode("utf-8")  # can be printed
        return sentence
    return ""


def check(read, content, seeds, schema=None):
    """Spoil a file by each seed; what is taken must be something that may be, and valid by the schema."""
    read(json.dumps(content))
    done = Counter()
    for seed in seeds:
        spoilt = full_files.spoilt(content, seed)
        sentence = refusal(read, spoilt)
        assert sentence or may_be_taken(spoilt), (seed, spoilt.what, spoilt.path, spoilt.text[:200])
        if schema is not None and not sentence:
            schema.validate(json.loads(spoilt.text))
        done[spoilt.what] += bool(sentence)
    assert len(done) == len(full_files.WAYS), done  # every way of spoiling was tried
    assert min(done.values()) > 0, done  # and found
    return done


def through_file(path, load):
    def read(text):
        path.write_text(text, encoding="utf-8")
        return load(path)

    return read


def validator(kind):
    return jsonschema.Draft202012Validator(json_schema(kind))


FEW, THOUSAND = range(200), range(1000)
COUNTS = [FEW, pytest.param(THOUSAND, marks=pytest.mark.slow)]


@pytest.mark.parametrize("seeds", COUNTS, ids=len)
@pytest.mark.parametrize("make", [full_files.full_case, full_files.routes_case])
def test_spoilt_cases(tmp_path, make, seeds):
    read = through_file(tmp_path / "case.json", load_case)
    found = check(read, make(tmp_path), seeds, validator("case"))
    assert sum(found.values()) > 0.9 * len(seeds)


@pytest.mark.parametrize("seeds", COUNTS, ids=len)
def test_spoilt_protocols(tmp_path, seeds):
    read = through_file(tmp_path / "own.json", load_protocol)
    check(read, full_files.full_protocol(), seeds, validator("protocol"))


@pytest.mark.parametrize(
    "kind", ["dosimetry", "recovery-phantom", "iv-cycle", "quantification", "registration", "allocation"]
)
def test_spoilt_parts(tmp_path, kind):
    matrix = [[1, 0, 0, 4.5], [0, 1, 0, -2], [0, 0, 1, 0], [0, 0, 0, 1]]
    content = {
        "dosimetry": full_files.full_dosimetry(),
        "recovery-phantom": full_files.full_phantom(),
        "iv-cycle": full_files.full_iv_cycle(tmp_path),
        "quantification": full_files.full_quantification(),
        "registration": {"matrix": matrix, "source": "ruler"},
        "allocation": {"P1": "left", "P2": "right", "P3": "A"},
    }[kind]
    place = Place(file="part.json", base=tmp_path)
    check(lambda text: kinds()[kind].read(parsed_json(text, place), place), content, THOUSAND, validator(kind))


def test_settings_that_are_taken_have_their_types(tmp_path):
    settings = DoseSettings.from_case(full_files.full_dosimetry(), tmp_path)
    assert settings.options().half_life_of("L1") == (75.5, 8.0)
    assert isinstance(settings.teff_h[""], float)


def test_cases_that_are_taken_have_their_types(tmp_path):
    """What is read of the full case: every number a float or a whole number as its annotation says."""
    path = tmp_path / "case.json"
    path.write_text(json.dumps(full_files.full_case(tmp_path)), encoding="utf-8")
    case = load_case(path)
    plain = {"str": str, "int": int, "float": float, "bool": bool}

    def look(one):
        for item in fields(one):
            value = getattr(one, item.name)
            if item.type in plain:
                assert type(value) is plain[item.type], (item.name, value)
            for part in value if isinstance(value, tuple) else (value,):
                if is_dataclass(part):
                    look(part)

    look(case)
    assert case.visits[0].manual_shifts == ()
    assert case.visits[1].manual_shifts[0].shift_ras_mm == (0.0, -2.0, 3.5)
