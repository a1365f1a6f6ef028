"""What people decided, kept to learn from: labels always, words only where the person agreed, masked and for a time."""
