"""Agreements on paying later: instalment plans and promises to pay, which hold dunning for as long as they are kept."""
