"""Billing inquiry: questions on invoices and reminders."""
