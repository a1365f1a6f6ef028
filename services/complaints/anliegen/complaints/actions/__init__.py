"""What complaints does: load, decide, save, announce.

Who meets whom on one complaint, and who goes first:
- Every action locks the stream of the complaint's journey, and only that one, and reads the complaint after it. So any
  two of them, commands, handlers and timers alike, come one after the other; the second decides on what the first left.
- Two commands: the second one's `If-Match` is stale by then, so it is refused with 412.
- A command and a handler (a follow-up, a reply that failed): whoever is second sees the other's version. The command is
  refused; the handler reopens what the command answered, or adds to what it took.
- A command and a timer: before a command decides, it breaks a promise whose time has passed, as the timer would have
  done, and every save lets the legal clocks say how they stand; the timer finds nothing left to do.
- A contact of another journey of the same person (`take_up_matter`) holds its own journey's lock and does not take a
  second one: it sets a timer on the complaint's journey, which follows up under that journey's lock.
- Legal clocks are reckoned anew from what is known, so a fact that is heard of late changes what was said of them.
"""

from .receive import (
    acknowledge_complaint,
    acknowledge_received,
    follow_up_complaint,
    hear_acknowledgements,
    hear_contacts,
    note_complaint,
    open_complaint,
    reopen_undelivered,
    take_up_matter,
)
from .settle import (
    answer_complaint,
    answer_in_public,
    let_time_pass,
    look_at_clock,
    prepare_response,
    reopen_complaint,
    resolve_complaint,
    transfer_complaint,
)
from .work import (
    ask_customer,
    assess_complaint,
    assign_investigation,
    decide_complaint,
    explain_delay,
    finish_investigation,
    finish_prevention,
    foresee_assessment,
    foresee_decision,
    name_invoice,
    plan_prevention,
    remedy_complaint,
    reverse_decision,
    take_complaint,
)

__all__ = [
    "acknowledge_complaint",
    "acknowledge_received",
    "answer_complaint",
    "answer_in_public",
    "ask_customer",
    "assess_complaint",
    "assign_investigation",
    "decide_complaint",
    "explain_delay",
    "finish_investigation",
    "finish_prevention",
    "follow_up_complaint",
    "foresee_assessment",
    "foresee_decision",
    "hear_acknowledgements",
    "hear_contacts",
    "let_time_pass",
    "look_at_clock",
    "name_invoice",
    "note_complaint",
    "open_complaint",
    "plan_prevention",
    "prepare_response",
    "remedy_complaint",
    "reopen_complaint",
    "reopen_undelivered",
    "resolve_complaint",
    "reverse_decision",
    "take_complaint",
    "take_up_matter",
    "transfer_complaint",
]
