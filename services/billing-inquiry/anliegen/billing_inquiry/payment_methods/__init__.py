"""How a customer pays: by SEPA mandate, by card, by invoice; changed, confirmed, taken back, with its history."""
