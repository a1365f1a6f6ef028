"""A customer's money: invoices, payments and credits as the billing system tells of them, and the ledger they make."""
