"""New service."""
