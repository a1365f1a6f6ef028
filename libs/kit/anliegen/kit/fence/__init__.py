"""A database restored to an earlier time does nothing until a person has seen what it announced and no longer knows."""
