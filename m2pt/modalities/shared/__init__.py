"""What all modalities share: samples, lists of data sets, patches, and what passes between tokenizer, encoder and head."""
