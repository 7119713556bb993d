"""The modalities: each owns its tokenizer, augmentations, readers of its data sets and its pretraining target."""
