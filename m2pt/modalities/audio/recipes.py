"""Published recipes for audio, all of them AudioMAE's (arXiv 2207.06405) at ViT-B, average pooling before the head.

Differences between the paper (section 4.2 and table 3) and its released code are noted at each recipe. Of AudioMAE's optimizer,
beta_2 is 0.95 in the paper and AdamW's own 0.999 in the code.
"""

from typing import Any

from pydantic import JsonValue

from m2pt.config import AudioAugment, AudioInput, FinetuneConfig
from m2pt.modalities.recipe import RELEASED_LAYERWISE, Recipe, own_recipes

AUDIOSET_INPUT = AudioInput(
    form="published",
    sample_rate=16000,
    stereo="first",
    hop_ms=10.0,
    frames=1024,
    mels=128,
    patch=16,
    mean=-4.2677393,
    std=2 * 4.5689974,
)
"""Ten seconds. The constants are those of AST (arXiv 2104.01778), with which AudioMAE was pretrained; it divides by twice the
standard deviation. Of stereo files the first channel is taken, as `torchaudio.compliance.kaldi.fbank` does there."""

ESC50_INPUT = AUDIOSET_INPUT.model_copy(update={"frames": 512, "mean": -6.6268077, "std": 2 * 5.358466})
SPEECH_COMMANDS_INPUT = AUDIOSET_INPUT.model_copy(update={"frames": 128, "mean": -6.845978, "std": 2 * 5.5654526})

AUDIOSET_AUGMENT = AudioAugment(
    mixup=0.5, roll=True, level=True, frequency_mask=48, time_mask=192, drop_time=0.2, drop_frequency=0.2
)

RELEASED: dict[str, JsonValue] = RELEASED_LAYERWISE | {"finetune.precision": "fp16", "finetune.augment.roll": False}
"""With loss scaling; and asked to roll, the code shifts by 0 (`m2pt.modalities.audio.decoding.sounds.rolled`)."""

RELEASED_ESC50: dict[str, JsonValue] = RELEASED | {
    "finetune.epochs": 50,
    "finetune.warmup_epochs": 5.0,
    "finetune.weight_decay": 0.05,
    "finetune.augment.level": False,
    "finetune.augment.frequency_mask": 96,
    "finetune.augment.time_mask": 24,
}
"""The defaults of main_finetune_esc.py; its masks are the other way round than in the paper."""

BEST_EPOCH = "the release reports the best of all epochs on the test data; here finetune.score says which epoch is tested, once"


def _finetune(**values: Any) -> FinetuneConfig:
    """What all of them share, with the values of one."""
    shared: dict[str, Any] = {
        "samples": "all",
        "learning_rate_per": 256,
        "final_learning_rate": 1e-6,
        "layer_decay": 0.75,
        "drop_path": 0.1,
        "label_smoothing": 0.0,
        "head": "mean",
        "head_init_std": 2e-5,
    }
    return FinetuneConfig(**(shared | values))


RECIPES: dict[str, Recipe] = {
    # The paper: batches of 32, a weight decay of 1e-4, 30 % of the places in time and in frequency dropped.
    "audiomae-audioset-20k": Recipe(
        released=RELEASED,
        departs=(BEST_EPOCH,),
        departs_joined=(
            "the release leaves the target random, with positions of 0 (the line that loads its weights is commented out); here "
            "it starts from the study's target encoder, where the setting is pretrained",
        ),
        source="AudioMAE's released ft_as.sh, in batches of 64 as in Multimodal Pathway's (arXiv 2401.14405) ft_srun_pathway.sh",
        goal="tagging",
        input=AUDIOSET_INPUT,
        finetune=_finetune(
            batch_size=64,
            learning_rate=1e-3,
            weight_decay=5e-4,
            epochs=60,
            warmup_epochs=4.0,
            loss="binary_cross_entropy",
            augment=AUDIOSET_AUGMENT,
        ),
    ),
    # The paper: batches of 512, 20 epochs of warm-up, a weight decay of 1e-4, 30 % dropped. The code's own log shows its batches
    # of 256 (781 steps an epoch) reach the paper's 47.3 mAP.
    "audiomae-audioset-2m": Recipe(
        released=RELEASED,
        departs=(BEST_EPOCH,),
        source="AudioMAE (arXiv 2207.06405), table 3, and its released code: `submit_ft_mask_bal.sh 2e-4 0.2 0.2`",
        goal="tagging",
        input=AUDIOSET_INPUT,
        finetune=_finetune(
            batch_size=256,
            learning_rate=2e-4,
            weight_decay=5e-4,
            epochs=100,
            warmup_epochs=10.0,
            loss="binary_cross_entropy",
            weighted=True,
            replacement=True,  # asked for `--replacement False`, which the release reads as true
            epoch_samples=200_000,
            augment=AUDIOSET_AUGMENT,
        ),
    ),
    # Label smoothing is the code's. Dropped patches: none in the code, no number for this data set in the paper.
    "audiomae-esc50": Recipe(
        released=RELEASED_ESC50,
        departs=(BEST_EPOCH,),
        source="AudioMAE (arXiv 2207.06405), table 3, ESC; label smoothing from its released main_finetune_esc.py",
        goal="classification",
        input=ESC50_INPUT,
        finetune=_finetune(
            batch_size=64,
            learning_rate=1e-3,
            weight_decay=1e-4,
            epochs=60,
            warmup_epochs=4.0,
            label_smoothing=0.1,
            augment=AudioAugment(roll=True, level=True, frequency_mask=24, time_mask=96),
        ),
    ),
    "audiomae-speech-commands": Recipe(
        released=RELEASED,
        departs=(
            "the release has nothing for Speech Commands but the constants of the input; noise is that of its data set class, "
            "20 dB below the signal in the paper",
        ),
        source="AudioMAE (arXiv 2207.06405), table 3, SPC-2",
        goal="classification",
        input=SPEECH_COMMANDS_INPUT,
        finetune=_finetune(
            batch_size=256,
            learning_rate=1e-3,
            weight_decay=1e-4,
            epochs=60,
            warmup_epochs=4.0,
            loss="binary_cross_entropy",
            augment=AudioAugment(mixup=0.5, roll=True, level=True, noise=True, frequency_mask=48, time_mask=48),
        ),
    ),
}

OWN_RECIPES = own_recipes(ESC50_INPUT, AudioAugment(roll=True, level=True, frequency_mask=24, time_mask=96))
