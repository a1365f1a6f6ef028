"""The pages of the mailbox, and the front page that leads to everything outside."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from anliegen.stack.outside.mailbox import Summary

# Nothing in a mail may run, load or navigate: no scripts at all, styles and pictures from the mail itself alone.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "
    "base-uri 'none'; form-action 'self'"
)

STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #667384; --line: #e3e8ee; --paper: #fff; --ground: #f4f6f8;
  --accent: #0b6e6e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --soft: #93a1b1; --line: #2c3744; --paper: #18212b;
  --ground: #10161d; --accent: #5cc8c0; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; letter-spacing: -.01em; }
p.lead, .soft { color: var(--soft); }
p.lead { margin: 0 0 1.5rem; }
a { color: var(--accent); }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.row { display: grid; grid-template-columns: 14rem 1fr auto; gap: 1rem; padding: .8rem 1.1rem; color: inherit;
  text-decoration: none; border-top: 1px solid var(--line); }
.row:first-child { border-top: 0; }
.row:hover { background: var(--ground); }
.row span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.row .subject { font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; padding: 1rem 1.1rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
pre { margin: 0; padding: 1.1rem; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 15px/1.6 ui-monospace, monospace; border-top: 1px solid var(--line); }
iframe { width: 100%; height: 28rem; border: 0; border-top: 1px solid var(--line); background: #fff; display: block; }
form { margin: 0 0 1rem; } input { font: inherit; padding: .45rem .7rem; border: 1px solid var(--line); color: inherit;
  border-radius: 8px; background: var(--paper); width: 20rem; max-width: 100%; }
.empty { padding: 2rem 1.1rem; text-align: center; color: var(--soft); }
@media (max-width: 40rem) { .row { grid-template-columns: 1fr; gap: .1rem; } }
"""


def front_page(links: Iterable[tuple[str, str, str]]) -> str:
    """Links as (address, title, explanation)."""
    rows = "".join(
        f'<a class="row" href="{escape(address)}"><span class="subject">{escape(title)}</span>'
        f'<span class="soft">{escape(text)}</span></a>'
        for address, title, text in links
    )
    return _page(
        "Outside",
        f'<h1>Outside</h1><p class="lead">What belongs to others in production, for this machine alone.</p>'
        f'<div class="card">{rows}</div>',
    )


def list_page(mails: list[Summary], *, to: str | None) -> str:
    """The list of mails, newest first; it loads itself again every few seconds."""
    rows = "".join(
        f'<a class="row" href="/mailbox/{mail.id}"><span>{escape(", ".join(mail.recipients))}</span>'
        f'<span class="subject">{escape(mail.subject) or "(no subject)"}</span>'
        f'<span class="soft">{escape(mail.received_at[:19].replace("T", " "))}</span></a>'
        for mail in mails
    )
    empty = '<p class="empty">No mail yet. It appears here as soon as a service sends one.</p>'
    field = f'<input type="search" name="to" placeholder="only to this address" value="{escape(to or "")}">'
    return _page(
        "Mailbox",
        '<h1>Mailbox</h1><p class="lead">Every mail the services have sent. None has left this machine.</p>'
        f'<form action="/mailbox">{field}</form><div class="card">{rows or empty}</div>',
        refresh=not to,
    )


def mail_page(mail: dict[str, Any]) -> str:
    """One mail: who, what, its text, and its HTML in a frame that may do nothing."""
    headers = mail["headers"]
    shown = ("from", "to", "cc", "reply-to", "subject", "date", "message-id", "in-reply-to", "auto-submitted")
    lines = "".join(
        f"<dt>{escape(name.title())}</dt><dd>{escape(headers[name])}</dd>" for name in shown if headers.get(name)
    )
    files = "".join(
        f'<dt>Attachment</dt><dd><a href="/mailbox/{mail["id"]}/attachments/{number}">'
        f"{escape(part['name'] or 'unnamed')}</a> "
        f'<span class="soft">{escape(part["type"])}, {part["bytes"]:,} bytes</span></dd>'
        for number, part in enumerate(mail["attachments"])
    )
    text = f"<pre>{escape(mail['text'])}</pre>" if mail["text"] is not None else ""
    frame = (
        f'<iframe sandbox src="/mailbox/{mail["id"]}/html" title="HTML text"></iframe>'
        if mail["html"] is not None
        else ""
    )
    return _page(
        mail["subject"] or "Mail",
        f'<p><a href="/mailbox">← Mailbox</a></p><h1>{escape(mail["subject"]) or "(no subject)"}</h1>'
        f'<p class="lead">received {escape(mail["received_at"][:19].replace("T", " "))} UTC · '
        f'<a href="/mailbox/{mail["id"]}.eml">as it came</a></p>'
        f'<div class="card"><dl>{lines}{files}</dl>{text}{frame}</div>',
    )


def _page(title: str, body: str, *, refresh: bool = False) -> str:
    again = '<meta http-equiv="refresh" content="4">' if refresh else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · Anliegen</title>{again}'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>"
    )
