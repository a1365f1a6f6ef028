"""Dunning: which reminder an unpaid invoice has come to, what it costs, and what holds or clears it."""
