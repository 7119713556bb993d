"""The JSON schema of study files, by which editors complete and check them: `python -m m2pt.config.schema [FILE]` writes it.

It says what each key takes by itself. What is wrong with values together, only `m2pt check` says.
"""

import argparse
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from m2pt.config.base import MODALITIES
from m2pt.config.meanings import meanings_of
from m2pt.config.study import Study

SCHEMA = Path(__file__).with_name("study.schema.json")
"""The schema as it is installed, and as the first line of the study files here names it."""


class _WithMeanings(GenerateJsonSchema):
    """Describes each key by the text below its declaration, and leaves out titles that only repeat the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """No key has a title."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A section with its keys."""
        section, meanings = super().model_schema(schema), meanings_of(schema["cls"])
        section["description"] = _unwrapped(inspect.getdoc(schema["cls"]) or "")
        for name, field in schema["cls"].model_fields.items():
            key = section["properties"][field.alias or name]
            if isinstance(key.get("default"), dict):
                del key["default"]  # the keys of the section have their own
            key["description"] = _unwrapped(meanings[name])
        return section

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """One of several sections, told apart by a key that each of them then needs."""
        union = super().tagged_union_schema(schema)
        tag = union.pop("discriminator")["propertyName"]
        return {**union, "oneOf": [{**member, "required": [tag]} for member in union["oneOf"]]}


def study_schema() -> dict[str, Any]:
    """The schema, in JSON Schema 2020-12."""
    schema = Study.model_json_schema(schema_generator=_WithMeanings)
    _describe_tasks(schema["$defs"])
    for section in _sections(schema):
        if "patternProperties" in section:
            section["additionalProperties"] = False
        first, *others = section.get("prefixItems", [None])
        if first is not None and all(other == first for other in others):  # older readers know no other lists of a fixed length
            section["items"] = section.pop("prefixItems")[0]
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "Study file of m2pt"}


def text() -> str:
    """The schema as its file has it."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"


def _describe_tasks(sections: dict[str, Any]) -> None:
    """A task changes single keys of its recipe: those of `finetune`, and of its modality's section of `inputs`."""
    task, recipe = sections["TaskConfig"], json.loads(json.dumps(sections["FinetuneConfig"]))
    kinds = next(form["oneOf"] for form in recipe["properties"]["augment"]["anyOf"] if "oneOf" in form)
    recipe["properties"]["augment"]["anyOf"] = [{"type": "boolean"}, *({"$ref": kind["$ref"]} for kind in kinds)]
    sections["TaskFinetuneConfig"] = recipe | {
        "title": "TaskFinetuneConfig",
        "description": task["properties"]["finetune"]["description"],
    }
    task["properties"]["finetune"] = {"$ref": "#/$defs/TaskFinetuneConfig"}
    inputs = sections["InputsConfig"]["properties"]
    task["allOf"] = [
        {
            "if": {"properties": {"modality": {"const": modality}}, "required": ["modality"]},
            "then": {"properties": {"input": {"$ref": inputs[modality]["$ref"]}}},
        }
        for modality in MODALITIES
    ]


def _sections(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a schema."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from _sections(inner)


def _unwrapped(text: str) -> str:
    """A text without the line breaks inside its paragraphs."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the JSON schema of study files.")
    parser.add_argument("file", nargs="?", type=Path, default=SCHEMA, metavar="FILE", help="where (default: the one of m2pt)")
    parser.parse_args().file.write_text(text(), encoding="utf-8")
