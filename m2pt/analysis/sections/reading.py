"""How to read a report: its terms."""

from m2pt.analysis.content import Definitions, Section, plain, prose
from m2pt.analysis.numbers.pooling import BOOTSTRAP_SEEDS, RESAMPLES

_TERMS = (
    ("Paired seeds",
     "Runs with the same seed share data, order and initialisation across methods, so differences are taken seed by seed. A seed "
     'for which one of the two runs is missing is left out, and counted ("n=4 of 5").'),
    ("Interval",
     "The 95 % interval of the mean difference. Without replicates it covers the spread between fine-tuning seeds only: "
     "encoders are the same throughout, and another pretraining could shift everything. Test samples are the same too, unless "
     "the interval is said to be for further ones. "
     "Each interval stands by itself: of all "
     "intervals of a table, 5 % are expected to miss their true values."),
    ("Replicates",
     "The pretraining seeds of the study's encoders, where they have several. An interval then covers both levels, pretraining "
     "and fine-tuning: where each fine-tuning seed goes with one replicate, it is the t interval over replicates, each with its "
     "own mean; where each goes with all of them (crossed), that of the two-way random-effects model, on the safe side "
     "(Banerjee 1960). What it shows holds for encoders trained like these; without replicates, for these encoders."),
    ("Draw",
     "What chance gave to a run: its fine-tuning seed and, where the encoders have several pretraining seeds, its replicate."),
    ("Further test samples",
     "All runs on a target are scored on the same test samples, and methods that are right on different ones differ by chance of "
     "the samples too. Draws and samples are crossed and both random (two-way random effects without repetition); the interval "
     "over draws is widened by what the samples add to the variance of the mean. A primary claim that is not shown so says \"on "
     "these test samples\"."),
    ("Primary claims",
     "The few claims that a study is for, declared before the results: the average gain of other modalities over random weights, "
     "the gains of its pairs, and the positive controls. They share one error rate of 5 % by a graph of weights (Bretz, Maurer, "
     "Brannath and Posch 2009): the chance that any of them is false, in its direction or in the size that it excludes, is at "
     "most 5 %. A claim that is shown passes its share on to others."),
    ("Exploratory",
     "Everything else. If there is no effect at all, at least one of twelve intervals excludes 0 in nearly every second study. "
     "So the comparisons of a family are corrected together (Benjamini and Hochberg 1995): of the differences that are shown, "
     "at most 5 % are expected to be false. They are where to look next with fresh seeds. Bold, stars (in tables and figures), "
     "p-values and sentences follow from the same correction. Without a registration from before its runs, a study's primary "
     "claims are called exploratory too, because nothing proves that they were chosen before results were seen."),
    ("Chosen once",
     "All of these rates, and the 95 % of an interval, are for a number of seeds that was chosen before results were seen. Where "
     "seeds were added after a look, the report says so at its top, and nothing has an error rate; only the primary claims of a "
     "sequential design hold at every number of seeds."),
    ("Missing runs",
     "A run that failed costs its pair a seed, and nothing is put in its place. An average is the mean of the means of its "
     "pairs; its interval comes from leaving out each seed in turn. Where one side of a comparison lacks a larger share of its "
     "runs, that stands beside the number. If the shares differ by more than chance makes plausible, a difference is only "
     "shown if it stays so when each missing run of the better side takes the lowest score of its target, and of the other "
     "side the highest."),
    ("Random control",
     "The same method with a freshly initialised auxiliary. What it gains comes from the extra weights and scales (from "
     "re-parameterization), not from another modality's data. A study without this control would take that for transfer."),
    ("Own lineage and own apart",
     "The positive controls: auxiliaries of the target's own modality, which must help if the study can detect useful weights. "
     "One goes on from the target's own encoder, so that its weights correspond to the target's. The other was pretrained apart, "
     "from another initialisation, as every auxiliary of another modality was."),
    ("Lineage",
     "Target and auxiliary have the same lineage if they go on from a common encoder, and are apart if they were pretrained from "
     "different initialisations. Of encoders from files it is not known, unless the files are the same."),
    ("No difference shown",
     "An interval that includes 0 does not show that there is no difference; its width says how large one could still be."),
    ("Shown to be below",
     "Equivalence, by two one-sided t tests at 5 %: the true difference is shown to be within this many points of 0, on "
     "either side. That is more than not having detected one."),
    ("Detectable",
     "A true difference of this size is claimed with a probability of 80 % or more by so many seeds, after the correction for "
     "many comparisons. It is judged by the upper 90 % bound of the spread, because few seeds estimate the spread badly: judged "
     "by the estimate, half of all such statements would be wrong."),
    ("Bootstrap",
     f"An interval from resampling the seeds, {RESAMPLES} times, widened for their small number. With fewer than "
     f"{BOOTSTRAP_SEEDS} seeds it would contain the true value less often than 95 %, so it is not shown."),
    ("Mean of the middle half",
     "The interquartile mean: the highest and the lowest quarter are left out, so that one odd pair or run does not decide. Over "
     "pairs it is taken seed by seed."),
    ("Targets like these",
     "The targets taken as a sample of targets: each counts once, and the interval comes from how they differ. The spread "
     "between targets is how much they differ beyond their seeds, as a standard deviation."),
    ("Chance that a run scores higher",
     "The share of pairs of runs on the same target, one with an auxiliary of another modality and one without it (or with "
     "random weights), in which the first scores higher; ties count half. Its bootstrap interval needs "
     f"{BOOTSTRAP_SEEDS} draws of each target, and is given with the profiles."),
    ("Profile",
     "The share of a method's runs that gain more than so many points, as the mean over targets (Agarwal et al. 2021). Its band "
     "is a bootstrap interval at each threshold by itself, not a statement about the whole line."),
    ("Critical difference",
     "How far apart the mean ranks of two methods must be to differ at 5 % after correction for all pairs of methods (Nemenyi's "
     "test)."),
)  # fmt: skip


def section() -> Section:
    """The terms."""
    return Section("How to read it", "reading", (Definitions(tuple((plain(term), prose(words)) for term, words in _TERMS)),))
