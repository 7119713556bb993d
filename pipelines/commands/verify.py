"""`verify`: whether every file of a study is as it was written."""

import json
import time
from argparse import Namespace

from m2pt.files.documents import remember_json
from pipelines.execution.program import as_called
from pipelines.housekeeping.faults import Faults, faults_of
from pipelines.planning import study_file
from pipelines.planning.damaged import doubt
from pipelines.planning.verification import last_whole, verified


def verify(options: Namespace) -> int:
    """Read every byte of a study; print each fault with what to do, then what was looked at; 1 if there is a fault.

    When a study was last without faults is remembered beside what is remembered of its files, and so are the runs with a damaged
    model: the next start does them again.
    """
    study = study_file.load(options.study)
    memory, faults = verified(study), faults_of(study)
    doubt(study, faults.models)
    if not faults.sentences:
        remember_json(memory, {"date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())})
    last = last_whole(study) or None
    if options.json:
        counts = {kind: {"checked": faults.checked[kind], "faults": faults.faulty[kind]} for kind in faults.checked}
        facts = {"counts": counts, "faults": faults.sentences, "unsealed": faults.unsealed, "last_whole": last}
        print(json.dumps({"study": study.study, **facts}, indent=1))
    else:
        print("\n".join(_lines(study.study, faults, last)))
    return 1 if faults.sentences else 0


def _lines(name: str, faults: Faults, last: str | None) -> list[str]:
    lines = [as_called(sentence) for sentence in faults.sentences]
    lines += [f"{'kind':<18}{'checked':>9}{'faults':>8}"]
    lines += [f"{kind:<18}{count:>9}{faults.faulty[kind]:>8}" for kind, count in faults.checked.items()]
    if faults.unsealed:
        lines.append(f"{faults.unsealed} records are of older code, and vouch for the weights of their runs alone.")
    number = len(faults.sentences)
    since = f"last without faults: {last}" if last else "it was never without"
    verdict = f"{number} fault{'s' if number > 1 else ''}; {since}" if number else f"every file is as it was written ({last})"
    return [*lines, f"{name}: {verdict}."]
