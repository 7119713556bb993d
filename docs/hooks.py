"""What the documentation takes from the code when it is built, such as the keys of a study file (`PAGES` has all).

A page marks the place with a comment: `<!-- keys -->`.
"""

import argparse
import ast
import inspect
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.dependencies import dependencies_page, gpl_page
from m2pt.config import Study
from m2pt.config.meanings import meanings_of
from m2pt.config.schema import SCHEMA
from m2pt.methods.__main__ import table as methods_page
from m2pt.modalities.dataset import DatasetFacts
from m2pt.modalities.registry import SPECS
from m2pt.runs.attempts import Attempt, Inference
from m2pt.runs.record import Counts, FinetuneRecord, LoadedFile, Merge, PretrainRecord
from pipelines.__main__ import build_parser

Model = type[BaseModel]
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Section:
    """One section of a study file: its dotted path, with a NAME where names are free, and the model of its keys."""

    path: str
    model: Model
    kind: str = ""

    @property
    def title(self) -> str:
        """The heading of the section."""
        name = f"`{self.path}`" if self.path else "The file"
        return f"{name} (`kind: {self.kind}`)" if self.kind else name


def sections(model: Model = Study, path: str = "") -> Iterator[Section]:
    """The sections of a study file, each followed by those inside it."""
    kind = model.model_fields.get("kind")
    (value,) = get_args(kind.annotation) if kind else ("",)
    yield Section(path, model, value)
    for key, field in model.model_fields.items():
        place, inner = _inside(f"{path}.{field.alias or key}".lstrip("."), field.annotation)
        for member in inner:
            yield from sections(member, place)


def _inside(place: str, annotation: Any) -> tuple[str, list[Model]]:
    """The models that the value of a key may be, or hold by name or in a list, and where."""
    annotation = _plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return place, [annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return place, [model for argument in arguments for model in _inside(place, argument)[1]]
    if origin is dict:
        return _inside(f"{place}.NAME", arguments[1])
    if origin is tuple:
        return _inside(f"{place}[]", arguments[0])
    return place, []


def keys_page() -> str:
    """Every section of a study file, with the type, default and meaning of every key."""
    return "\n\n".join(map(_section, sections()))


def _section(section: Section) -> str:
    meanings = meanings_of(section.model)
    rows = []
    for name, field in section.model.model_fields.items():
        if name not in meanings:
            raise ValueError(f"{section.model.__qualname__}.{name}: write below its declaration, as a text, what it means")
        kind = _type(field.annotation, field.metadata)
        rows.append((f"`{field.alias or name}`", kind, _default(field), meanings[name]))
    table = _table(("key", "type", "default", "meaning"), rows)
    return "\n\n".join([f"## {section.title}", inspect.getdoc(section.model) or "", table])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "see below"
    return f"`{_written(value)}`"


def _written(value: Any) -> str:
    """A value as a study file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_written, value))}]"
    return str(value)


BOUNDS: Mapping[type, Callable[[Any], str]] = {
    Gt: lambda bound: f" > {bound.gt}",
    Ge: lambda bound: f" ≥ {bound.ge}",
    Lt: lambda bound: f" < {bound.lt}",
    Le: lambda bound: f" ≤ {bound.le}",
    MultipleOf: lambda bound: f", a multiple of {bound.multiple_of}",
    MinLen: lambda bound: f", at least {bound.min_length}",
    MaxLen: lambda bound: f", at most {bound.max_length}",
}


def _type(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """A type in words, with its bounds."""
    if get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        return _type(annotation, [*inner, *metadata])
    constraints = [part for item in metadata for part in getattr(item, "metadata", [item])]
    if annotation is str and constraints:
        return "name"
    bounds = [BOUNDS[type(constraint)](constraint) for constraint in constraints if type(constraint) in BOUNDS]
    return "".join([_words(annotation), *bounds])


def _words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        *others, last = (f"`{argument}`" for argument in arguments)
        return f"{', '.join(others)} or {last}" if others else last
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type(argument) for argument in arguments if argument is not NoneType))
    if origin is dict:
        return f"{_type(arguments[1])} by {'key' if arguments[0] is str else 'name'}"
    if origin is tuple:
        length = "" if arguments[-1] is Ellipsis else f"{len(arguments)}: "
        return f"list of {length}{_type(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return {bool: "`true` or `false`", int: "integer", float: "number", str: "text"}.get(annotation, "any value")


def _plain(annotation: Any) -> Any:
    return _plain(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


RECORDS: Mapping[str, Model] = {
    "`record.json` of a fine-tuned model": FinetuneRecord,
    "`record.json` of a pretrained encoder": PretrainRecord,
    "`samples`, for each split": Counts,
    "`loaded`, for each file of weights": LoadedFile,
    "`merge`": Merge,
    "`local/execution.json`, for each attempt": Attempt,
    "`inference` of an attempt": Inference,
}


def records_page() -> str:
    """What the records of a run hold."""
    parts = []
    for title, model in RECORDS.items():
        meanings = meanings_of(model)
        fields = model.model_fields.items()
        rows = [(f"`{name}`", _type(field.annotation, field.metadata), meanings.get(name, "")) for name, field in fields]
        parts += [f"## {title}", inspect.getdoc(model) or "", _table(("key", "type", "meaning"), rows)]
    return "\n\n".join(parts)


def commands_page() -> str:
    """The help of every command."""
    os.environ["COLUMNS"] = "100"
    (commands,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    return "\n\n".join(f"## m2pt {name}\n\n```text\n{command.format_help()}```" for name, command in commands.choices.items())


def datasets_page() -> str:
    """Every published data set with its sizes, by modality; variants of the same sizes together."""
    rows: list[tuple[object, ...]] = []
    for modality, spec in SPECS.items():
        for name, dataset in spec.datasets.items():
            variants: dict[DatasetFacts | None, list[str]] = {} if dataset.facts else {None: []}
            for variant, facts in dataset.facts.items():
                variants.setdefault(facts, []).append(f"`{variant}`" if variant else "none")
            for same, names in variants.items():
                sizes = (same.train, same.val or "", same.test, same.classes, same.source) if same else ("",) * 5
                rows.append((modality, f"`{name}`", ", ".join(names), *sizes))
    return _table(("modality", "data set", "variant", "train", "val", "test", "classes", "source of the sizes"), rows)


def recipes_page() -> str:
    """Every published recipe, by modality."""
    rows = [
        (modality, f"`{name}`", recipe.goal, recipe.source)
        for modality, spec in SPECS.items()
        for name, recipe in spec.recipes.items()
    ]
    return _table(("modality", "recipe", "goal", "source"), rows)


def rooms_page() -> str:
    """Each package and module in the order of the import layers, the topmost first, with the first sentence of its docstring."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"] == "Nothing points back")
    places = [place.strip() for layer in layers for place in layer.split("|")]
    return _table(("room", "what it is for"), ((f"`{place}`", _purpose(place)) for place in places))


def _purpose(place: str) -> str:
    """The first sentence of the docstring of a package or module."""
    path = ROOT.joinpath(*place.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n\n")[0]


PAGES: Mapping[str, Callable[[], str]] = {
    "keys": keys_page,
    "commands": commands_page,
    "methods": methods_page,
    "rooms": rooms_page,
    "datasets": datasets_page,
    "recipes": recipes_page,
    "records": records_page,
    "dependencies": dependencies_page,
    "gpl": gpl_page,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put what a page asks for in its place (called by mkdocs)."""
    for name, page in PAGES.items():
        mark = f"<!-- {name} -->"
        if mark in markdown:
            markdown = markdown.replace(mark, page())
    return markdown


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Publish the schema of study files (called by mkdocs)."""
    files.append(File.generated(config, "reference/study.schema.json", content=SCHEMA.read_text(encoding="utf-8")))
    return files
