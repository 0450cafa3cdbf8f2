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
    *("question", "proposed", "answer", "meaning"),
}


def may_be_taken(spoilt):
    if {"notes", "checks"} & set(spoilt.path):  # whatever somebody wants to keep
        return spoilt.what not in ("nan", "surrogate", "twice")
    if "sha256" in spoilt.path and spoilt.what == "unknown":  # of any file
        return True
    if spoilt.what == "unknown" and "organs" in spoilt.path:  # an organ of any text for any lesion
        return True
    return spoilt.what == "word" and (
        bool({"labels", "organs", "new_lesions"} & set(spoilt.path))
        or spoilt.path[-1] in {*ANY_TEXT, "treated_lobe", "sex", "dose_map", "accumulate"}
    )


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


def check(read, content, seeds, schema=None, any_words=False):
    """Spoil a file by each seed; what is taken must be something that may be, and valid by the schema.

    ``any_words``: other words in place of words may be taken wherever the schema takes them.
    """
    read(json.dumps(content))
    done = Counter()
    for seed in seeds:
        spoilt = full_files.spoilt(content, seed)
        sentence = refusal(read, spoilt)
        words = any_words and spoilt.what == "word" and isinstance(full_files.value_at(content, spoilt.path), str)
        assert sentence or words or may_be_taken(spoilt), (seed, spoilt.what, spoilt.path, spoilt.text[:200])
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
@pytest.mark.parametrize("make", [full_files.full_case, full_files.routes_case, full_files.single_case])
def test_spoilt_cases(tmp_path, make, seeds):
    read = through_file(tmp_path / "case.json", load_case)
    found = check(read, make(tmp_path), seeds, validator("case"))
    assert sum(found.values()) > 0.9 * len(seeds)


@pytest.mark.parametrize("seeds", COUNTS, ids=len)
def test_spoilt_protocols(tmp_path, seeds):
    read = through_file(tmp_path / "own.json", load_protocol)
    check(read, full_files.full_protocol(), seeds, validator("protocol"))


def parts(folder):
    """Parts of a case file, each in the forms that together hold all its keys."""
    iv_cycle = full_files.full_iv_cycle(folder)
    by_dose = {"activity_MBq": 7400, "planned_ia_MBq": 3700, "dose_Gy": {"L1": 30.5, "kidneys": 4}}
    return {
        "dosimetry": [full_files.full_dosimetry(), full_files.uniform_dosimetry(folder)],
        "recovery-phantom": [full_files.full_phantom()],
        "iv-cycle": [iv_cycle, by_dose],
        "quantification": [full_files.full_quantification()],
        "registration": list(full_files.registrations(folder).values()),
        "allocation": [
            {"P1": "left", "P2": "right", "P3": "A"},
            [
                {"patient": "P1", "treated_lobe": "left"},
                {"patient": "P2", "treated": "B"},
                {"patient": "P3", "lobe": "A"},
            ],
        ],
    }


PARTS = ("dosimetry", "recovery-phantom", "iv-cycle", "quantification", "registration", "allocation")


@pytest.mark.parametrize("kind", PARTS)
def test_spoilt_parts(tmp_path, kind):
    place = Place(file="part.json", base=tmp_path)
    forms = [form for form in parts(tmp_path)[kind] if isinstance(form, dict)]
    for content in forms:
        check(lambda text: kinds()[kind].read(parsed_json(text, place), place), content, FEW, validator(kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", PARTS)
def test_parts_spoilt_in_a_thousand_ways(tmp_path, kind):
    place = Place(file="part.json", base=tmp_path)
    content = max((form for form in parts(tmp_path)[kind] if isinstance(form, dict)), key=lambda form: len(str(form)))
    check(lambda text: kinds()[kind].read(parsed_json(text, place), place), content, THOUSAND, validator(kind))


@pytest.mark.parametrize("seeds", COUNTS, ids=len)
@pytest.mark.parametrize("kind", ["phantom", "phantom with rates", "camera", "population"])
def test_spoilt_files_of_camera_and_population(tmp_path, kind, seeds):
    content = {
        "phantom": lambda: full_files.full_phantom_scans(tmp_path),
        "phantom with rates": lambda: full_files.phantom_with_rates(tmp_path),
        "camera": full_files.full_camera,
        "population": full_files.full_population,
    }[kind]()
    place = Place(file="own.json", base=tmp_path)
    declared = kinds()[kind.split()[0]]
    check(lambda text: declared.read(parsed_json(text, place), place), content, seeds, validator(kind.split()[0]), True)


def every_full_file(folder):
    """Each kind with the files that together hold every key of it."""
    made, part = full_files, parts(folder)
    cases = [made.full_case(folder), made.routes_case(folder), made.single_case(folder)]
    first = cases[0]["visits"][0]
    cases += [{**cases[0], "visits": [{**first, "registration": one}]} for one in part["registration"]]
    cases += [{**cases[1], "iv_cycle": one} for one in part["iv-cycle"]]
    cases += [{**cases[2], "dosimetry": one} for one in part["dosimetry"]]
    return {
        "case": cases,
        "protocol": [made.full_protocol()],
        "phantom": [made.full_phantom_scans(folder), made.phantom_with_rates(folder)],
        "camera": [made.full_camera()],
        "population": [made.full_population()],
        **part,
    }


def missing_keys(schema, values, path=""):
    """Path of each key that a schema declares and none of the values holds."""
    objects, lists = ([one for one in values if isinstance(one, kind)] for kind in (dict, list))
    for key, part in schema.get("properties", {}).items():
        held = [one[key] for one in objects if key in one]
        if not held:
            yield f"{path}.{key}"
        yield from missing_keys(part, held, f"{path}.{key}") if held else ()
    if isinstance(schema.get("additionalProperties"), dict):
        yield from missing_keys(
            schema["additionalProperties"], [v for one in objects for v in one.values()], f"{path}.*"
        )
    if "items" in schema:
        yield from missing_keys(schema["items"], [item for one in lists for item in one], f"{path}[]")
    for n, form in enumerate(schema.get("anyOf", ())):
        fitting = [one for one in values if jsonschema.Draft202012Validator(form).is_valid(one)]
        if "type" in form and not fitting:
            yield f"{path} as form {n + 1}"
        yield from missing_keys(form, fitting, path) if fitting else ()


def test_every_key_of_every_file_is_among_those_that_are_spoilt(tmp_path):
    files = every_full_file(tmp_path)
    assert set(files) == set(kinds())
    assert {kind: list(missing_keys(json_schema(kind), files[kind])) for kind in files} == {kind: [] for kind in files}


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
