"""Money that goes back to a customer: never more than is to their credit, confirmed by two where it is much."""
