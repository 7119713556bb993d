"""How large the published data sets are, where their files are complete: the basis of every estimate of cost."""

from dataclasses import dataclass

from m2pt.config import Dataset, refuses_unknown


@dataclass(frozen=True)
class DatasetFacts:
    """Samples of each split as published (None where there is no such split), and classes.

    `classes` counts what is predicted: categories, tags, part labels or pixel labels. `categories` are the object categories that
    a part segmentation is told. The split that scores are published on is `test`; where a data set has none with labels, its
    validation split serves as test and stands there.
    """

    train: int
    val: int | None
    test: int
    classes: int
    source: str
    categories: int = 0


# The site's text says 22,176 and 20,383; the lists have these. Every download has fewer: clips vanish from YouTube.
_AUDIOSET_20K = DatasetFacts(22_160, None, 20_371, 527, "AudioSet, heads of balanced_train_segments.csv and eval_segments.csv")
_AUDIOSET_2M = DatasetFacts(22_160 + 2_041_789, None, 20_371, 527, "AudioSet, heads of its three lists of segments")
_ESC50 = DatasetFacts(1_600, None, 400, 50, "ESC-50 (doi 10.1145/2733373.2806390): training on four folds of 400")

_SHAPENETPART = "ShapeNet part annotations (doi 10.1145/2980179.2980238), the official split"

# The 17 categories that have the third (finest) level; `classes` holds an `other` of each.
_PARTNET = DatasetFacts(17_119, 2_492, 4_895, 268, "PartNet (arXiv 1812.02713), sem_seg_h5, level 3", 17)

DATASETS: dict[tuple[Dataset, str | None], DatasetFacts] = {
    ("imagenet", None): DatasetFacts(1_281_167, None, 50_000, 1000, "ILSVRC 2012 (arXiv 1409.0575, table 2)"),
    ("ade20k", None): DatasetFacts(20_210, None, 2_000, 150, "SceneParse150 (arXiv 1608.05442, section 4)"),
    ("audioset", None): _AUDIOSET_20K,
    ("audioset", "balanced"): _AUDIOSET_20K,
    ("audioset", "full"): _AUDIOSET_2M,
    ("esc50", None): _ESC50,
    **{("esc50", f"fold-{fold}"): _ESC50 for fold in range(1, 6)},
    ("speech-commands", None): DatasetFacts(84_843, 9_981, 11_005, 35, "Speech Commands V2 (arXiv 1804.03209), its lists"),
    ("modelnet40", None): DatasetFacts(9_843, None, 2_468, 40, "ModelNet40 (arXiv 1406.5670), its lists"),
    ("scanobjectnn", "obj_bg"): DatasetFacts(2_309, None, 581, 15, "ScanObjectNN (arXiv 1908.04616), main split"),
    ("scanobjectnn", "obj_only"): DatasetFacts(2_309, None, 581, 15, "ScanObjectNN (arXiv 1908.04616), main split"),
    ("scanobjectnn", "hardest"): DatasetFacts(11_416, None, 2_882, 15, "ScanObjectNN (arXiv 1908.04616), PB_T50_RS, main split"),
    ("shapenetpart", None): DatasetFacts(12_137, 1_870, 2_874, 50, _SHAPENETPART, 16),
    ("shapenetpart", "trainval"): DatasetFacts(12_137 + 1_870, None, 2_874, 50, _SHAPENETPART, 16),
    ("partnet", None): _PARTNET,
    ("partnet", "3"): _PARTNET,
    # Links die: copies differ by a few per cent.
    ("kinetics", None): DatasetFacts(240_436, None, 19_796, 400, "Kinetics-400 (arXiv 1705.06950) as MMAction2 lists its copy"),
}
"""By data set and variant. `webdataset` is a form of storage and has no size of its own."""


@refuses_unknown
def dataset_facts(dataset: Dataset, variant: str | None = None) -> DatasetFacts | None:
    """The facts of a data set, None where they are not known."""
    return DATASETS.get((dataset, variant))
