"""Triage: what a contact is about, how urgent it is, and which task settles it."""
