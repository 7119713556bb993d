"""Parts of sentences, for every way in which seeds and pretrainings of encoders can go together."""

import pytest

from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.tables.phrases import seeds_and_encoders


def paired(seeds: int, encoders: int) -> list[tuple[int, int]]:
    return [(seed, seed % encoders) for seed in range(seeds)]


def crossed(seeds: int, encoders: int) -> list[tuple[int, int]]:
    return [(seed, encoder) for seed in range(seeds) for encoder in range(encoders)]


@pytest.mark.parametrize(
    ("draws", "said"),
    [
        ([(0, None)], "1 seed"),
        ([(0, None), (1, None), (7, None)], "3 seeds"),
        (paired(4, 4), "4 seeds, each with its own pretraining of the encoders"),
        (paired(24, 8), "24 seeds on 8 pretrainings of the encoders, 3 seeds on each"),
        # one part with seeds 0 to 3, another with 4 and 5: two encoders were used twice, two once
        (paired(6, 4), "6 seeds on 4 pretrainings of the encoders, 1 or 2 seeds on each"),
        (crossed(4, 2), "4 seeds, each on both pretrainings of the encoders"),
        (crossed(4, 3), "4 seeds, each on all 3 pretrainings of the encoders"),
        (crossed(1, 2), "1 seed on both pretrainings of the encoders"),
        # one part is paired, another crosses fewer seeds
        ([*paired(4, 4), *crossed(2, 4)], "4 seeds and 4 pretrainings of the encoders, not in all combinations"),
    ],
)
def test_it_is_said_how_seeds_and_pretrainings_go_together(draws: list[tuple[int, int | None]], said: str) -> None:
    assert seeds_and_encoders([Draw(*draw) for draw in (*draws, *draws)]) == said


def test_encoders_that_alone_have_several_pretrainings_are_named() -> None:
    said = seeds_and_encoders([Draw(*draw) for draw in paired(4, 4)], "the encoder mae")
    assert said == "4 seeds, each with its own pretraining of the encoder mae"
