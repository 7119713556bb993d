"""What a pathway is made of: the layers of models that can be joined, and what they are when they are; imports torch alone."""
