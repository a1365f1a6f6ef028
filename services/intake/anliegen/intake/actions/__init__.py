"""What intake does, one function each: load, decide, save, announce."""
