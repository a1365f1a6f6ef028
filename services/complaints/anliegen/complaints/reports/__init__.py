"""Reports to supervisors: what a year of complaints was, counted from what was kept."""
