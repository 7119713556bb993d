"""The recipes: for the UCR archive, and for one's own files."""

from m2pt.config import FinetuneConfig
from m2pt.modalities.recipe import Recipe, own_recipes
from m2pt_timeseries.section import TimeseriesAugment, TimeseriesInput

SERIES = TimeseriesInput(length=256, patch=16)

RECIPES = {
    "ucr": Recipe(
        source="m2pt-timeseries's own, for the data sets of the UCR archive, most of which are small",
        goal="classification",
        input=SERIES,
        finetune=FinetuneConfig(
            samples="all", batch_size=16, learning_rate=1e-3, epochs=50, warmup_epochs=5.0, augment=TimeseriesAugment()
        ),
        published=False,
    ),
    **own_recipes(SERIES, TimeseriesAugment()),
}
