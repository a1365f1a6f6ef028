"""Rules that change without us: opening hours, what is promised by when. Data with a source and an owner."""
