"""Intake: every contact on every channel is accepted, identified, kept and acknowledged."""
