"""The facts that Anliegen's services announce."""
