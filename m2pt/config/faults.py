"""What pydantic found wrong with a document, in sentences for its author."""

import json

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_TYPE_STEPS = ("literal[", "tuple[", "function-", "constrained-", "int")
"""Steps of a location that name a type that was tried, not a key of the document."""

_MOST_SHOWN = 200
"""Characters of a faulty value."""


def faults_of(error: ValidationError, section: str = "") -> list[str]:
    """Each fault as `KEY: what is wrong`, with dotted keys; `section` is the key of the document that was validated."""
    return [_fault(fault, section) for fault in error.errors()]


def _fault(fault: ErrorDetails, section: str) -> str:
    steps = [str(step) for step in fault["loc"]]
    # pydantic puts the tag of a union member into the location; it is no key of the file.
    if steps[:1] == ["encoders"] and len(steps) > 2 and steps[2] in ("mae", "labels", "file"):
        del steps[2]
    key = ".".join(filter(None, (section, *(step for step in steps if not step.startswith(_TYPE_STEPS)))))
    message = _message(fault)
    return f"{key}: {message}" if key else message


def _message(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return "unknown key; remove it or correct its spelling"
        case "missing":
            return "is missing"
        case "value_error":
            return str(fault["ctx"]["error"])
        case _:
            message = fault["msg"]
            return f"{message[0].lower()}{message[1:]} (got {_shown(fault['input'])})"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
