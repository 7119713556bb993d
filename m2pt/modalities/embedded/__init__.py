"""What the embedded data sets are made from: random draws, handwritten digits, spoken words."""
