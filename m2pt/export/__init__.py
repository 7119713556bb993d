"""The final model of a run in the formats of other programs, each with a card that says what it is and how good."""
