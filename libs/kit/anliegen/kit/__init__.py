"""What every service of Anliegen needs and none should write again."""
