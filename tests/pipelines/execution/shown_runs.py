"""A program that shows the progress of runs that it makes up. `shown_runs.py CASE`."""

import signal
import sys
import time

from pipelines.execution.display.pace import Mean, Pace
from pipelines.execution.progress import Display


def names(count: int) -> list[str]:
    return [f"image-from-audio-random_auxiliary-pretrained-full-s{index}" for index in range(count)]


def runs(display: Display, seconds: float = 0.05) -> None:
    """Twelve runs, two at a time, of which the fifth and the sixth fail for one reason."""
    todo = names(12)
    display.prepare("set up", "loading the libraries")
    display.expect({"set up": None, "encoders": 4, "runs": 12, "report": None})
    display.begin("encoders", 4, 3, "study: pretraining runs", Pace({"audio-mae-s0": ("mae audio", "mae")}))
    display.started("audio-mae-s0")
    time.sleep(seconds)
    display.ended("audio-mae-s0", "val loss 0.735", 12.34, failed=False)
    display.finish("encoders", "study: 4 of 4 pretraining runs are complete.", True)
    pace = Pace({name: ("full",) for name in todo}, {"full": Mean(3, 60.0)}, slots=2)
    display.begin("runs", 12, 0, "study: fine-tuning runs", pace)
    display.started(todo[0])
    for first, second, third in zip(todo[::2], todo[1::2], [*todo[2::2], None], strict=True):
        for name in (second, third):  # the third waits for a slot
            if name is not None:
                display.started(name)
        time.sleep(seconds)
        for name in (first, second):
            failed = name in todo[4:6]
            display.ended(name, "the moon was in the way." if failed else "val 83.0 %, test 81.2 %", 61.0, failed)
    display.finish("runs", "study: 10 of 12 fine-tuning runs are complete, 2 failed.", False)


def main(case: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Display() as display:
        match case:
            case "runs":
                runs(display)
            case "slowly":
                runs(display, 1.0)
            case "many":
                display.begin("runs", 60, 0, "study", Pace(dict.fromkeys(names(60), ("full",)), slots=60))
                for name in names(60):
                    display.started(name)
                time.sleep(60)
            case "words":
                display.prepare("set up", "loading the libraries")
                time.sleep(60)


try:
    main(sys.argv[1])
except KeyboardInterrupt:
    sys.exit(130)
