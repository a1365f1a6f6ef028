"""Legal clocks: by when the law or a regulator wants what, reckoned from rule packs, and every day of it explained."""
