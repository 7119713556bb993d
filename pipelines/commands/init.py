"""`init`: write a first study file for somebody's own data, weights and minutes; what no option says is asked."""

import os
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from m2pt.config import MODALITIES, FilesConfig, InputsConfig, Modality, UserError
from m2pt.config.base import FURTHER_MODALITIES, FaultyKeysError, visible
from m2pt.config.faults import faults_of
from m2pt.config.installed import require_plugins
from m2pt.config.schema import SCHEMA, text
from m2pt.files.documents import write_atomic
from m2pt.modalities.recipes import resolve
from m2pt.modalities.registry import SPECS
from pipelines.execution.process_environment import STATE
from pipelines.execution.program import as_called
from pipelines.planning import study_file
from pipelines.planning.first_study.budget import Budget, fitting, seconds_per_sample
from pipelines.planning.first_study.encoder import Size, size_of
from pipelines.planning.first_study.target import Target, group_hint, target_of
from pipelines.planning.first_study.text import Choices, text_of
from pipelines.planning.slots import slots

T = TypeVar("T")

_OF_FILES = ("file", "label", "split", "group", "separator", "group_until")


def init(options: Namespace) -> int:
    """Write the file, and say what it holds and what to do next.

    Raises:
        UserError: an option is missing and cannot be asked for, something does not fit, or the file is there already.

    """
    file: Path = options.to
    require_plugins()
    _require_new(file)
    if options.modality not in (None, *MODALITIES):
        raise UserError(f"--modality: there is no {options.modality!r}; use one of {', '.join(MODALITIES)}.")
    if options.name in MODALITIES:
        raise UserError(f"--name: {options.name!r} is the name of a modality; use another one.")
    if options.name is not None and not re.fullmatch(r"[a-z0-9][a-z0-9_+.-]{0,59}", options.name):
        raise UserError(f"--name: {options.name!r} is no name of a study; use small letters, digits and _ . + - only.")
    path = _asked("Your data: a folder of class folders, or a table", options.target, "--target", Path)
    target = _target(path, options)
    _require_outside(file, target.folder)
    print(f"{target.name}: {target.modality}, {len(target.classes)} classes; {_counts(target)}")
    _require_usable(target)
    _hint(path, target)
    start = options.start if not _asks() or options.start else _start()
    auxiliary, weights = _auxiliary(_asked(_which(target), options.auxiliary, "--auxiliary", str))
    if auxiliary == target.modality:
        raise UserError(
            f"--auxiliary: {auxiliary} is the modality of the target; choose another one, which is what a study is about."
        )
    minutes = _asked("Minutes that it may take", options.minutes, "--minutes", float)
    if not 0 < minutes < 1e6:
        raise UserError(f"--minutes: {minutes:g} is no budget; give a number of minutes above 0 and below a million.")
    size = size_of(target.modality, start, weights, options.heads)
    budget = _budget(target, size, auxiliary if weights is None else None, minutes)
    batch = _batch_of(target)
    _write(
        file,
        text_of(Choices(target, size, start, auxiliary, weights, budget, *_known((target.modality, auxiliary)), batch), file),
    )
    if budget.minutes > minutes:
        print(f"The least that compares anything takes {budget.about} here, more than {minutes:g}.")
    print(
        f"{file}: {budget.seeds} seeds, {budget.epochs} epochs, {budget.about} on this machine.\n"
        + as_called(f"Next: `m2pt study --study {file}`; `m2pt check {file}` says what is wrong and what it costs.")
    )
    return 0


def _require_new(file: Path) -> None:
    try:
        there, home = os.path.lexists(file) or file.exists(), file.absolute().parent.is_dir()
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror}); give another name with --to.") from error
    if there:
        raise UserError(f"{file}: is there already; give another name with --to, or remove it.")
    if not home:
        raise UserError(f"{file}: its folder is missing; make it, or give another place with --to.")


def _require_outside(file: Path, folder: Path) -> None:
    """Refuse a study file among its own data: it would belong to them, and each change of it would make them other data."""
    if file.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"{file}: is within the folder of the data ({folder}), where it would count as one of them; give another place "
            "with --to, or work in another folder."
        )


def _target(path: Path, options: Namespace) -> Target:
    given = {key: value for key in _OF_FILES if (value := getattr(options, key)) is not None}
    try:
        return target_of(path, options.modality, given, options.name)
    except ValidationError as error:
        raise FaultyKeysError(faults_of(error, FilesConfig, "files")) from error


def _batch_of(target: Target) -> int | None:
    """A batch for fewer training samples than four of the recipe's; None where that fits."""
    few, usual = target.counts.get("train", 0), SPECS[target.modality].recipes["own"].finetune.batch_size
    return None if few >= 4 * usual else max(1, 1 << (max(few // 4, 1).bit_length() - 1))


def _require_usable(target: Target) -> None:
    """Refuse what no study can be made of. Raises `UserError`."""
    if len(target.classes) < 2:
        raise UserError(f"{target.folder}: all files are of one class ({target.classes[0]!r}), so there is nothing to learn.")
    if not target.counts.get("test"):
        raise UserError(
            f"{target.folder}: no file is left for testing: a class needs two files, or groups of files (equal files are one), "
            "to be trained and tested; add files, or split them yourself."
        )


def _hint(path: Path, target: Target) -> None:
    """Say what may be wrong with the files, though a study can be made of them."""
    if target.contradicted is not None:
        print(visible(f"{target.contradicted[0].upper()}{target.contradicted[1:]}."))
    if (hint := group_hint(path, target)) is not None:
        print(
            f"The column {hint!r} may name what must not be in two splits, such as patients: --group {hint} keeps each together."
        )


def _counts(target: Target) -> str:
    return ", ".join(f"{target.counts[split]} {split}" for split in ("train", "val", "test") if target.counts.get(split))


def _which(target: Target) -> str:
    others = ", ".join(modality for modality in MODALITIES if modality != target.modality)
    return f"The auxiliary: a modality, whose encoder is pretrained here ({others}), or MODALITY=FILE of weights"


def _start() -> Path | None:
    try:
        given = input("Weights that the target starts from (nothing: it starts from scratch): ").strip()
    except EOFError:
        given = ""
    return Path(given) if given else None


def _auxiliary(given: str) -> tuple[Modality, Path | None]:
    name, equals, file = given.partition("=")
    if name not in MODALITIES or (equals and not file):
        raise UserError(f"--auxiliary: {given!r} is neither a modality ({', '.join(MODALITIES)}) nor MODALITY=FILE.")
    return name, Path(file) if equals else None


def _budget(target: Target, size: Size, pretrained: Modality | None, minutes: float) -> Budget:
    from m2pt.config import ExecutionConfig, TaskConfig

    recipe = "own" if target.goal == "classification" else "own-tags"
    task = TaskConfig.model_validate(
        {"modality": target.modality, "dataset": "folder", "path": "", "recipes": {"full": recipe}, "input": size.input}
        | ({} if target.goal == "classification" else {"dataset": "table", "goal": target.goal, "files": target.files})
    )
    samples, training = resolve(target.name, task, "full")
    places = slots(ExecutionConfig())
    sample_s = seconds_per_sample(target.modality, samples, size.model, training, places[0].device)
    pretrain_s = 0.0
    if pretrained is not None:
        form = getattr(InputsConfig(), pretrained)
        pretrain_s = seconds_per_sample(pretrained, form, size.model, training, places[0].device)
    return fitting(
        minutes,
        sample_s,
        trained=target.counts.get("train", 0),
        tested=target.counts.get("val", 0) + target.counts.get("test", 0),
        slots=len(places),
        pretrain_s=pretrain_s,
    )


def _known(modalities: Sequence[Modality]) -> tuple[Path, tuple[str, ...]]:
    """The schema that the study file names, and the plugins that add its modalities: with theirs, it is another schema."""
    plugins = [FURTHER_MODALITIES.plugins[name] for name in modalities if name in FURTHER_MODALITIES.plugins]
    if not plugins:
        return SCHEMA, ()
    schema = STATE / SCHEMA.name
    schema.parent.mkdir(exist_ok=True)
    write_atomic(schema, text().encode())
    return schema, tuple(dict.fromkeys(plugin.distribution for plugin in plugins))


def _write(file: Path, text: str) -> None:
    """Write the study file if it is one, as a whole."""
    trial = file.with_name(f".{file.name}.new")
    try:
        write_atomic(trial, text.encode())
        study_file.load(trial)
        trial.replace(file)
    except UserError as error:
        raise UserError(str(error).replace(str(trial), str(file))) from error
    finally:
        trial.unlink(missing_ok=True)


def _asks() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _asked(question: str, given: T | None, option: str, kind: Callable[[str], T]) -> T:
    """What an option says, or what is answered to a question in a terminal."""
    if given is not None:
        return given
    if not _asks():
        raise UserError(f"{option}: is missing ({question[0].lower()}{question[1:]}).")
    while True:
        try:
            answer = input(f"{question}: ").strip()
        except EOFError as error:
            raise UserError(f"{option}: is not answered; give it as an option.") from error
        try:
            if answer:
                return kind(answer)
        except ValueError:
            print(f"{answer} is no answer to that.")
