"""Whether the files of a study are what is remembered of them: all are read again, whatever their times say."""

from collections.abc import Iterator
from pathlib import Path

from m2pt.config import GivenSource, Study
from m2pt.data.fingerprints import CACHE, fingerprint
from m2pt.files.access import unreadable
from m2pt.files.documents import recalled_json
from m2pt.files.memory import known_sha256
from m2pt.runs.damage import require_encoder
from m2pt.runs.folder import is_complete
from m2pt.runs.record import PretrainRecord, read_record
from m2pt.weights.shards import weights_files
from pipelines.planning.folders import data_folder, place_of
from pipelines.planning.plan import Plan, resolve

_UNNOTICED = (
    "its content changed while its size and times stayed what they were; the right fingerprint is remembered now, and runs with "
    "the former one stay what they were: see what changed it"
)


def verified(study: Study) -> Path:
    """The file that remembers when a study was last without faults."""
    return CACHE / "verified" / f"{study.study}.json"


def last_whole(study: Study) -> str:
    """When a study was last without faults; empty if it never was, as far as is known."""
    return str((recalled_json(verified(study)) or {}).get("date", ""))


def verify(study: Study) -> list[str]:
    """Read the data and weights of a study again, and correct what is remembered of them.

    Returns a sentence for each file of weights, or folder of data, whose content had changed without a sign.

    Raises:
        UserError: an encoder that was pretrained here is not the file of which its record tells; or as `resolve`.

    """
    plan = resolve(study)
    changed = [*_data(plan), *_weights(plan)]
    _require_encoders(plan)
    return changed


def _data(plan: Plan) -> Iterator[str]:
    for key, known in plan.prints.data.items():
        if key not in plan.missing_data and fingerprint(folder := data_folder(plan.study, key), afresh=True) != known:
            yield f"{folder}: {_UNNOTICED}."


def _weights(plan: Plan) -> Iterator[str]:
    declared = (path for key, path in plan.weights.items() if isinstance(plan.study.encoders[key.source], GivenSource))
    for file in dict.fromkeys(file for path in declared for file in weights_files(path)):
        try:
            changed = known_sha256(file, CACHE) != known_sha256(file, CACHE, afresh=True)
        except OSError as error:
            raise unreadable(file, error) from error
        if changed:
            yield f"{file}: {_UNNOTICED}."


def _require_encoders(plan: Plan) -> None:
    for spec in plan.pretrain:
        run_dir = plan.run_dir(spec)
        if run_dir is None or not is_complete(run_dir := place_of(run_dir)):
            continue
        require_encoder(run_dir, read_record(run_dir, PretrainRecord), afresh=True)
