"""What each key of a document means: the text below its declaration."""

import ast
import inspect
import textwrap

from pydantic import BaseModel


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """What each key means: the text below its declaration, in the model itself or one that it inherits from.

    The section of a plugin's modality has none in `inputs`; it is described by itself.
    """
    meanings = {name: field.description or "" for name, field in model.model_fields.items()}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and not base.__module__.startswith("pydantic"):
            (declared,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            assert isinstance(declared, ast.ClassDef)
            for field, text in zip(declared.body, declared.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                    meanings[field.target.id] = inspect.cleandoc(ast.literal_eval(text.value))
    return meanings
