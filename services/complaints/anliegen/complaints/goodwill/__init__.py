"""Goodwill: what a customer is given to make good (R34, R81 to R85, R90), decided in one place for all tasks."""
