"""SQL of goodwill. Whoever changes a goodwill holds the lock of its journey; who decides one, also those of its person
and of its currency (`actions.py`)."""
