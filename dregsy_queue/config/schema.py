"""The JSON schema of the config file, for editors: ``python -m dregsy_queue.config.schema``."""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from dregsy_queue.config.models import Config


class _Untitled(GenerateJsonSchema):
    """Without titles, which only say the keys again."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 - pydantic's internal types
        return False


def schema() -> str:
    """The schema as JSON text."""
    document = Config.model_json_schema(by_alias=True, schema_generator=_Untitled)
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "dregsy_queue config"
    document["patternProperties"] = {"^x-": True}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
