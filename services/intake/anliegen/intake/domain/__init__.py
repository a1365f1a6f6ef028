"""What intake knows and decides. Nothing here touches anything."""
