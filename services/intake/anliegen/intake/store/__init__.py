"""All of intake's SQL."""
