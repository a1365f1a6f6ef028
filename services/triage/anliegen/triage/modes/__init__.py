"""How far triage goes by itself, task by task: suggest, preselect, automate, and what that rests on."""
