"""What callers of complaints send, and what they get."""
