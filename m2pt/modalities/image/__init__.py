"""Images: tokenizer, augmentations, readers, embedded data set and pretraining target."""
