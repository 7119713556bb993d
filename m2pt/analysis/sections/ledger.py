"""What a study costs, measured while it ran: by device and by method."""

from m2pt.analysis.content import Block, Column, Details, Entry, Group, Paragraph, Section, Table, code, plain
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.folding import title
from m2pt.analysis.sections.wording import NONE, amount, duration, energy, memory, times
from m2pt.analysis.tables.ledger import ConditionCosts, DeviceCosts, Ledger, MethodCosts, Spread

_INTRODUCTION = (
    "Measured during the runs. Device time: the wall-clock time of every attempt, failed and killed ones too, times "
    "its number of devices. Training time: the median of complete runs. Parameters: those trained, those at inference, and a "
    "plain model's. Inference time: one forward pass of the final model, merged where the method merges, timed alternately "
    "with a fresh plain model on the same batch; the median over runs of their ratio, and the range of its middle half."
)
_SHARED = " A run that several parts of the study share counts in each of them, but only once by device."
_ENERGY = "Energy is that of complete devices during a run, so runs that shared a device include each other's."
_NO_ENERGY = "No device reported its energy."
_MEMORY = (
    "Peak memory is that of a run's leading process: on a GPU what its allocator held, on a CPU all of it. A peak that the "
    "system cannot tell apart from that of an earlier run of the same process is left out."
)


def section(facts: Facts) -> Section:
    """The costs, or a sentence that none are recorded."""
    costs = facts.ledger
    if not costs.devices:
        return Section("Costs", "costs", (Paragraph(plain("Costs: not recorded here.")),))
    shared = _SHARED if facts.study.parts else ""
    blocks: list[Block] = [
        Paragraph(plain(_INTRODUCTION + shared)),
        Paragraph(plain(f"{_ENERGY if costs.tells_energy else _NO_ENERGY} {_MEMORY}"), "caveat"),
        _devices(costs),
        *(_methods(item, costs.tells_energy) for item in costs.conditions[:1]),
    ]
    others = costs.conditions[1:]
    if others:
        words = f"{len(others)} comparisons" if len(others) > 1 else "comparison"
        tables = tuple(_methods(item, costs.tells_energy) for item in others)
        blocks.append(Details(plain(f"Costs of the other {words}"), tables, printed=True))
    return Section("Costs", "costs", tuple(blocks))


def in_short(facts: Facts) -> str:
    """The device time of the study with its devices, and its energy where it is known; empty where nothing is recorded."""
    devices = facts.ledger.devices
    if not devices:
        return ""
    names = dict.fromkeys(_named(row) for row in devices)
    words = f"{duration(sum(row.device_seconds for row in devices))} of device time on {', '.join(names)}"
    joules = [row.energy_joules for row in devices if row.energy_joules is not None]
    return f"{words}; {energy(sum(joules))}" if len(joules) == len(devices) else words


def _named(row: DeviceCosts) -> str:
    return row.device + (f" ({row.device_name})" if row.device_name else "")


def _numbers(names: list[str], tells_energy: bool) -> list[Column]:
    known = [name for name in names if tells_energy or name != "energy"]
    return [Column(plain(name), number=True, label="parameters trained" if name == "trained" else "") for name in known]


def _devices(costs: Ledger) -> Table:
    names = ["fine-tuning runs", "pretraining runs", "device time", "energy"]
    columns = (Column(plain("device"), head=True), *_numbers(names, costs.tells_energy))
    rows = tuple(_device(row, costs.tells_energy) for row in costs.devices)
    return Table("Costs by device", plain("By device, pretraining included"), columns, (Group(rows),), "flow")


def _device(row: DeviceCosts, tells_energy: bool) -> tuple[Entry, ...]:
    name = _named(row)
    entries = [
        Entry(plain(name), name),
        *(Entry(plain(count), count) for count in (row.finetuned, row.pretrained)),
        Entry(plain(duration(row.device_seconds)), row.device_seconds),
    ]
    return (*entries, Entry(plain(energy(row.energy_joules)), row.energy_joules)) if tells_energy else tuple(entries)


def _methods(item: ConditionCosts, tells_energy: bool) -> Table:
    names = [
        "runs",
        "device time",
        "training",
        "energy",
        "peak memory",
        "trained",
        "at inference",
        "plain model",
        "inference time",
    ]
    columns = (Column(plain("method"), head=True), *_numbers(names, tells_energy))
    rows = tuple(_method(row, tells_energy) for row in item.methods)
    return Table(f"Costs, {item.condition.label}", title(item.condition), columns, (Group(rows),), "flow")


def _method(row: MethodCosts, tells_energy: bool) -> tuple[Entry, ...]:
    runs = str(row.runs) if row.measured == row.runs else f"{row.measured} of {row.runs}"
    parameters = (row.trainable_parameters, row.parameters, row.plain_parameters)
    return (
        Entry(code(row.name), row.name),
        Entry(plain(runs), row.measured),
        Entry(plain(duration(row.device_seconds)), row.device_seconds),
        Entry(plain(duration(row.train_seconds)), row.train_seconds),
        *([Entry(plain(energy(row.energy_joules)), row.energy_joules)] if tells_energy else []),
        Entry(plain(memory(row.peak_memory_bytes)), row.peak_memory_bytes),
        *(Entry(plain(amount(count)), count) for count in parameters),
        _latency(row.latency),
    )


def _latency(spread: Spread | None) -> Entry:
    if spread is None:
        return NONE
    between = f" ({spread.low:.2f} to {spread.high:.2f})" if spread.n > 1 else ""
    return Entry(plain(times(spread.median) + between), spread.median)
