"""Routing questions: the customer says which of two or three tasks it is. Nobody is asked a third time (R62)."""
