"""The published JSON Schemas: made from the loader's own declarations, shipped as made, usable by editors."""

from __future__ import annotations

import json

import jsonschema
import pytest
from builders import full_files
from PRRTDosimetryLib.commands import main
from PRRTDosimetryLib.kinetics.selection import METHODS
from PRRTUptakeLib.commands import SCHEMA_KINDS
from PRRTUptakeLib.resources import resource_path
from PRRTUptakeLib.study import protocol
from PRRTUptakeLib.study.schema.kinds import json_schema, kinds, schema_text
from PRRTUptakeLib.vocabulary import TIAC_MODELS

# Words of a schema as JSON Schema 2020-12 names them; a misspelt one would be ignored without a word.
KEYWORDS = {
    *(
        "$schema",
        "$id",
        "title",
        "description",
        "type",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
    ),
    *("properties", "required", "additionalProperties", "minProperties", "dependentRequired"),
    *("items", "minItems", "maxItems", "minLength", "maxLength", "pattern"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}


def subschemas(schema):
    yield schema
    for key, value in schema.items():
        if key == "properties":
            for one in value.values():
                yield from subschemas(one)
        elif isinstance(value, dict) and key != "dependentRequired":
            yield from subschemas(value)
        elif isinstance(value, list):
            for one in value:
                if isinstance(one, dict):
                    yield from subschemas(one)


def test_the_command_knows_every_kind():
    assert list(kinds()) == list(SCHEMA_KINDS)


@pytest.mark.parametrize("kind", SCHEMA_KINDS)
def test_shipped_schemas_are_those_of_the_loader(kind, capsys):
    """After a change of keys: prrt schema KIND > PRRTUptake/Resources/Schemas/KIND.schema.json."""
    shipped = resource_path(protocol.__file__, "Schemas", f"{kind}.schema.json").read_text(encoding="utf-8")
    assert main(["schema", kind]) == 0
    assert capsys.readouterr().out == shipped == schema_text(kind)
    jsonschema.Draft202012Validator.check_schema(json_schema(kind))
    for one in subschemas(json_schema(kind)):
        assert set(one) <= KEYWORDS, set(one) - KEYWORDS


def test_every_key_is_described():
    """What an editor shows next to a key, or to its parts; CAMERA.json and POPULATION.json are made by commands."""
    silent = [
        (kind, key)
        for kind in SCHEMA_KINDS
        if kind not in ("camera", "population")
        for one in subschemas(json_schema(kind))
        for key, value in one.get("properties", {}).items()
        if "if" not in one and not value.get("description") and "enum" not in value and "const" not in value
    ]
    of_designs = ("endpoint", "targets", "maximum_per_lobe", "reference", "metrics", "patient")
    assert [one for one in silent if one[1] not in of_designs] == []


def test_what_the_loader_takes_is_valid(tmp_path):
    validate = {kind: jsonschema.Draft202012Validator(json_schema(kind)).validate for kind in SCHEMA_KINDS}
    validate["case"](full_files.full_case(tmp_path))
    validate["case"](full_files.routes_case(tmp_path))
    validate["protocol"](full_files.full_protocol())
    for name in protocol.available_protocols():
        validate["protocol"](full_files.shipped_protocol(name))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda case: case["visits"][1]["nudges"][0].update(shift_ras_mm=[0, 0]), "visits/1/nudges/0/shift_ras_mm"),
        (lambda case: case["dosimetry"]["teff_h"].update(L1=-1), "dosimetry/teff_h/L1"),
        (lambda case: case["visits"][0].update(drawn_on="72h"), "visits/0"),
        (lambda case: case["visits"][0]["quantification"].pop("calibration_time"), "visits/0/quantification"),
    ],
)
def test_editors_see_mistakes_where_they_are(tmp_path, change, path):
    case = full_files.full_case(tmp_path)
    change(case)
    errors = list(jsonschema.Draft202012Validator(json_schema("case")).iter_errors(case))
    assert path in ["/".join(map(str, error.absolute_path)) for error in errors]


def test_a_design_limits_the_endpoint_in_the_schema():
    content = full_files.shipped_protocol("ia-versus-iv")
    content["endpoint"]["metric"] = "tn_ratio"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_schema("protocol")).validate(content)


def test_words_that_two_libraries_share():
    assert set(TIAC_MODELS) == set(METHODS)
    assert json.loads(schema_text("dosimetry"))["properties"]["model"]["enum"] == list(TIAC_MODELS)


def test_an_unknown_kind_is_wrong_use(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["schema", "telescope"])
    assert stop.value.code == 2
    assert "protocol" in capsys.readouterr().err
