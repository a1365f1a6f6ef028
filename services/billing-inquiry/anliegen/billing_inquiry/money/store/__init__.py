"""SQL of a customer's money: what was told, invoices and corrections, the ledger."""
