"""Journey: one timeline per person over all services and channels."""
