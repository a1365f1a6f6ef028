"""How well triage understands, measured on messages that it did not learn from: `make eval` writes the model card."""
