"""The schema of a study file: frozen objects in which every key is known and every value is checked.

Everything that can change a number becomes part of a run's identity; `execution` never does.
"""

from m2pt.config.base import (
    LAYERS,
    MODALITIES,
    RANDOM,
    Form,
    Fraction,
    Frozen,
    Goal,
    Layer,
    Modality,
    Name,
    NonNegative,
    NonNegativeFloat,
    Positive,
    PositiveFloat,
    Setting,
    Tuning,
    UserError,
    refuses_unknown,
)
from m2pt.config.data import DataConfig, EmbeddedData
from m2pt.config.datasets import DATASETS, Dataset
from m2pt.config.encoders import EncoderSource, FileSource, LabelsSource, LayoutName, MaeSource, Reading, Weights
from m2pt.config.execution import ExecutionConfig
from m2pt.config.finetune import BlocksConfig, FinetuneConfig, Head, TestConfig
from m2pt.config.methods import (
    CORE_METHODS,
    METHOD_NAMES,
    MethodName,
    PathwayConfig,
    RivalsConfig,
)
from m2pt.config.modalities import SECTIONS, Augmentation, InputConfig, InputsConfig
from m2pt.config.modalities.audio import AudioAugment, AudioInput, Stereo
from m2pt.config.modalities.image import ImageAugment, ImageInput
from m2pt.config.modalities.point import PointAugment, PointInput
from m2pt.config.modalities.section import AugmentSection, Channels, InputSection
from m2pt.config.modalities.video import VideoAugment, VideoInput
from m2pt.config.model import FamilyName, ModelConfig
from m2pt.config.optimizer import OptimizerConfig
from m2pt.config.pretrain import LabelPretrain, MaePretrain, PretrainConfig
from m2pt.config.search import ENCODER_KEYS, RangeConfig, SearchConfig, value_words
from m2pt.config.study import PartConfig, Study
from m2pt.config.sweep import SweepConfig
from m2pt.config.tasks import TaskConfig

__all__ = [
    "CORE_METHODS",
    "DATASETS",
    "ENCODER_KEYS",
    "LAYERS",
    "METHOD_NAMES",
    "MODALITIES",
    "RANDOM",
    "SECTIONS",
    "AudioAugment",
    "AudioInput",
    "AugmentSection",
    "Augmentation",
    "BlocksConfig",
    "Channels",
    "DataConfig",
    "Dataset",
    "EmbeddedData",
    "EncoderSource",
    "ExecutionConfig",
    "FamilyName",
    "FileSource",
    "FinetuneConfig",
    "Form",
    "Fraction",
    "Frozen",
    "Goal",
    "Head",
    "ImageAugment",
    "ImageInput",
    "InputConfig",
    "InputSection",
    "InputsConfig",
    "LabelPretrain",
    "LabelsSource",
    "Layer",
    "LayoutName",
    "MaePretrain",
    "MaeSource",
    "MethodName",
    "Modality",
    "ModelConfig",
    "Name",
    "NonNegative",
    "NonNegativeFloat",
    "OptimizerConfig",
    "PartConfig",
    "PathwayConfig",
    "PointAugment",
    "PointInput",
    "Positive",
    "PositiveFloat",
    "PretrainConfig",
    "RangeConfig",
    "Reading",
    "RivalsConfig",
    "SearchConfig",
    "Setting",
    "Stereo",
    "Study",
    "SweepConfig",
    "TaskConfig",
    "TestConfig",
    "Tuning",
    "UserError",
    "VideoAugment",
    "VideoInput",
    "Weights",
    "refuses_unknown",
    "value_words",
]
