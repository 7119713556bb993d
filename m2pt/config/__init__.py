"""The schema of a study file: frozen objects in which every key is known and every value is checked.

Everything that can change a number becomes part of a run's identity; `execution` never does.
"""

from m2pt.config.base import (
    ALL_LAYERS,
    LAYERS,
    MODALITIES,
    RANDOM,
    Frozen,
    Goal,
    Modality,
    Setting,
    Tuning,
    UserError,
    refuses_unknown,
)
from m2pt.config.data import EmbeddedData
from m2pt.config.datasets import DATASETS, OWN_DATASETS, Dataset
from m2pt.config.design import DesignConfig
from m2pt.config.encoders import (
    FileSource,
    GivenSource,
    LabelsSource,
    LayoutName,
    MaeSource,
    ProceduralSource,
    Reading,
    RunSource,
    TimmSource,
    TrainedSource,
    Weights,
)
from m2pt.config.execution import ExecutionConfig, OutOfMemory
from m2pt.config.files import FilesConfig, OwnDataset
from m2pt.config.finetune import BlocksConfig, FinetuneConfig, Head, TestConfig
from m2pt.config.methods import (
    CORE_METHODS,
    METHOD_NAMES,
    RETIRED_METHODS,
    AlignmentName,
    MappingConfig,
    MethodName,
    PathwayConfig,
    RivalsConfig,
)
from m2pt.config.modalities import SECTIONS, WINGS, Augmentation, InputConfig, InputsConfig
from m2pt.config.modalities.audio import AudioAugment, AudioInput, Stereo
from m2pt.config.modalities.image import ImageAugment, ImageInput
from m2pt.config.modalities.point import PointAugment, PointInput
from m2pt.config.modalities.section import InputSection
from m2pt.config.modalities.video import VideoAugment, VideoInput
from m2pt.config.model import LAYERS_OF, FamilyName, ModelConfig
from m2pt.config.optimizer import OptimizerConfig
from m2pt.config.pretrain import LabelPretrain, MaePretrain, ProceduralPretrain
from m2pt.config.search import ENCODER_KEYS, RangeConfig, SearchConfig, value_words
from m2pt.config.study import PartConfig, Study
from m2pt.config.tasks import TaskConfig
from m2pt.config.tune import Rates, TuneConfig

__all__ = [
    "ALL_LAYERS",
    "CORE_METHODS",
    "DATASETS",
    "ENCODER_KEYS",
    "LAYERS",
    "LAYERS_OF",
    "METHOD_NAMES",
    "MODALITIES",
    "OWN_DATASETS",
    "RANDOM",
    "RETIRED_METHODS",
    "SECTIONS",
    "WINGS",
    "AlignmentName",
    "AudioAugment",
    "AudioInput",
    "Augmentation",
    "BlocksConfig",
    "Dataset",
    "DesignConfig",
    "EmbeddedData",
    "ExecutionConfig",
    "FamilyName",
    "FileSource",
    "FilesConfig",
    "FinetuneConfig",
    "Frozen",
    "GivenSource",
    "Goal",
    "Head",
    "ImageAugment",
    "ImageInput",
    "InputConfig",
    "InputSection",
    "InputsConfig",
    "LabelPretrain",
    "LabelsSource",
    "LayoutName",
    "MaePretrain",
    "MaeSource",
    "MappingConfig",
    "MethodName",
    "Modality",
    "ModelConfig",
    "OptimizerConfig",
    "OutOfMemory",
    "OwnDataset",
    "PartConfig",
    "PathwayConfig",
    "PointAugment",
    "PointInput",
    "ProceduralPretrain",
    "ProceduralSource",
    "RangeConfig",
    "Rates",
    "Reading",
    "RivalsConfig",
    "RunSource",
    "SearchConfig",
    "Setting",
    "Stereo",
    "Study",
    "TaskConfig",
    "TestConfig",
    "TimmSource",
    "TrainedSource",
    "TuneConfig",
    "Tuning",
    "UserError",
    "VideoAugment",
    "VideoInput",
    "Weights",
    "refuses_unknown",
    "value_words",
]
