"""The kinds of files, or of their parts, that a person writes, and the JSON Schema of each for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.study.protocol import protocol_record
from PRRTUptakeLib.study.schema.camera_keys import CAMERA, PHANTOM
from PRRTUptakeLib.study.schema.case_keys import CASE
from PRRTUptakeLib.study.schema.population_keys import POPULATION
from PRRTUptakeLib.study.schema.shared_keys import (
    ALLOCATION,
    DOSIMETRY,
    IV_CYCLE,
    RECOVERY_PHANTOM,
    REGISTRATION,
)
from PRRTUptakeLib.study.stated_quantification import QUANTIFICATION

if TYPE_CHECKING:
    from PRRTUptakeLib.study.schema.fields import Field

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def kinds() -> dict[str, Field]:
    """The declaration of each kind: of whole files first, then of parts of the case file."""
    return {
        "case": CASE,
        "protocol": protocol_record(),
        "phantom": PHANTOM,
        "camera": CAMERA,
        "allocation": ALLOCATION,
        "dosimetry": DOSIMETRY,
        "iv-cycle": IV_CYCLE,
        "population": POPULATION,
        "quantification": QUANTIFICATION,
        "recovery-phantom": RECOVERY_PHANTOM,
        "registration": REGISTRATION,
    }


def json_schema(kind: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of one of `kinds`."""
    made = kinds()[kind].schema()
    return {"$schema": DIALECT, "$id": f"urn:prrt:schema:{kind}", "title": f"SlicerPRRT {kind}", **made}


def schema_text(kind: str) -> str:
    """The schema as a file of its own, as it is shipped in ``Resources/Schemas/KIND.schema.json``."""
    return json.dumps(json_schema(kind), indent=1, ensure_ascii=False) + "\n"
