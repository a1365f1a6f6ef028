"""CloudEvents as partner systems write them: bytes in, events out, pure."""
