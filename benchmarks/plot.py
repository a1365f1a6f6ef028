"""The plot of a run: a page of small panels as SVG, drawn by hand, so that nothing has to be installed for it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import log10
from pathlib import Path

from .floors import FLOORS
from .results import Result

WIDTH, PANEL, GAP, HEAD = 1180, 540, 40, 96
LABEL, ROW, TITLE = 218, 30, 64
OURS, OTHER, INK, FAINT, PAPER, FLOOR = "#0f766e", "#b8c0cc", "#1f2933", "#6b7785", "#fcfcfa", "#c2410c"
SHADES = ("#0f766e", "#14b8a6", "#5eead4", "#f59e0b", "#fbbf24", "#64748b", "#94a3b8", "#cbd5e1", "#e2e8f0")
FONT = "font-family=\"'Inter','Segoe UI','Helvetica Neue',Arial,sans-serif\""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. `is_ours` is drawn in colour, bounds and peers in grey; `floor` as a mark."""

    label: str
    value: float
    is_ours: bool
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its title, what is counted, and its body from the top left corner on, with its height."""

    title: str
    subtitle: str
    height: int
    draw: Callable[[], Iterable[str]]


def write_plot(path: Path, results: Sequence[Result], *, machine: str) -> None:
    """Draw what was measured; what was not is left out."""
    panels = [panel for panel in _panels({result.name: result for result in results}) if panel is not None]
    columns: tuple[list[Panel], list[Panel]] = ([], [])
    heights = [0, 0]
    for panel in panels:
        shorter = 0 if heights[0] <= heights[1] else 1
        columns[shorter].append(panel)
        heights[shorter] += panel.height + GAP
    height = HEAD + max(heights) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="100%" height="100%" rx="10" fill="{PAPER}"/>',
        _text(GAP / 2, 40, "Anliegen, measured beside its bounds", size=23, weight=650),
        _text(GAP / 2, 64, machine, size=12.5, fill=FAINT),
        *_legend(),
    ]
    for column, members in enumerate(columns):
        top = HEAD
        for panel in members:
            parts.append(f'<g transform="translate({GAP / 2 + 4 + column * (PANEL + GAP + 12)},{top})">')
            parts.append(_text(0, 20, panel.title, size=16, weight=620))
            parts.append(_text(0, 40, panel.subtitle, size=12.5, fill=FAINT))
            parts.extend(panel.draw())
            parts.append("</g>")
            top += panel.height + GAP
    path.write_text("\n".join([*parts, "</svg>", ""]))


def _panels(found: Mapping[str, Result]) -> Iterable[Panel | None]:
    peer = next((name for name in found if name.startswith("peer: ") and name.endswith(("workers", "threads"))), "")
    yield _bars(found, "Accepting over HTTP", "requests a second, 32 connections, each durable before its answer", [
        ("django-helpdesk (peer)", peer, False),
        ("intake, new senders", "accept, intake, new senders, 32 connections", True),
        ("intake, known senders", "accept, intake, known senders, 32 connections", True),
        ("typed write", "accept, typed write, 32 connections", True),
    ], bounds={"accept, typed write, 32 connections": "pgbench, one statement (bound)"})  # fmt: skip
    yield _bars(found, "Relay and consumer", "events a second, one process each", [
        ("relay", "relay", True),
        ("consumer, lists of 500", "consumer, lists, batch 500", True),
        ("consumer, events in 500s", "consumer, single events, batch 500", True),
        ("consumer, lists of 100", "consumer, lists, batch 100", True),
        ("consumer, one by one", "consumer, single events, batch 1", True),
    ], bounds={"relay": "Kafka's producer test (bound)",
               "consumer, lists, batch 500": "pgbench, rows of 500 (bound)"})  # fmt: skip
    yield _bars(found, "The whole pipeline", "contacts a second, from the door to the last effect in every service", [
        ("accepted meanwhile", "pipeline, contacts accepted meanwhile", True),
        ("with all their effects", "pipeline, contacts with all their effects", True),
    ])  # fmt: skip
    yield _stack(found, "Where the CPU goes", "milliseconds a contact in the whole pipeline", "pipeline: CPU of ")
    yield _bars(found, "Delays", "milliseconds at low load", [
        ("commit → handler, p50", "commit → handler at 50 events/s, p50", True),
        ("commit → handler, p99", "commit → handler at 50 events/s, p99", True),
        ("contact → journey, p50", "one contact at a time: accepted → shown by its journey, p50", True),
        ("contact → journey, p99", "one contact at a time: accepted → shown by its journey, p99", True),
    ])  # fmt: skip
    yield _bars(found, "After trouble", "seconds until events flow again", [
        ("worker killed", "worker killed under load: until events are handled again", True),
        ("broker killed, once it is back", "broker killed under load: from ready until events are handled again", True),
        ("60,000 events were missed", "catch-up: journey takes 60,000 missed events, from its start", True),
    ])  # fmt: skip
    yield _growth(found)


def _bars(
    found: Mapping[str, Result], title: str, subtitle: str, rows: Sequence[tuple[str, str, bool]],
    bounds: Mapping[str, str] | None = None,
) -> Panel | None:  # fmt: skip
    bars = []
    for label, name, is_ours in rows:
        result = found.get(name)
        if result is None:
            continue
        floor = FLOORS.get(name)
        bars.append(Bar(label, result.value, is_ours, floor.limit if floor and not floor.of_ratio else None))
        if bounds and name in bounds and result.bound is not None:
            bars.append(Bar(bounds[name], result.bound, False))
    if not bars:
        return None
    most = max(max(bar.value, bar.floor or 0) for bar in bars) or 1.0
    scale = (PANEL - LABEL - 70) / most

    def draw() -> Iterable[str]:
        for nth, bar in enumerate(bars):
            top = TITLE + nth * ROW
            width = max(bar.value * scale, 1.5)
            yield _text(LABEL - 12, top + 15, bar.label, size=13, anchor="end")
            yield f'<rect x="{LABEL}" y="{top}" width="{width:.1f}" height="20" rx="3" fill="{_colour(bar)}"/>'
            end = LABEL + width
            if bar.floor is not None:
                mark = LABEL + bar.floor * scale
                yield f'<path d="M{mark:.1f} {top - 3}v26" stroke="{FLOOR}" stroke-width="2"/>'
                if end - 5 < mark < end + 55:
                    end = mark  # the figure stands behind the mark, not under it
            yield _text(end + 7, top + 15, _number(bar.value), size=12.5, weight=600)

    return Panel(title, subtitle, TITLE + len(bars) * ROW, draw)


def _stack(found: Mapping[str, Result], title: str, subtitle: str, prefix: str) -> Panel | None:
    """One long bar, cut by who used it, with a list below."""
    parts = [
        (name.removeprefix(prefix), result.value)
        for name, result in found.items()
        if name.startswith(prefix) and "left out" not in name and "everything" not in name
    ]
    if not parts:
        return None
    whole = sum(value for _, value in parts)
    shown = sorted(parts, key=lambda part: -part[1])[: len(SHADES) - 1]
    shown.append(("the rest", whole - sum(value for _, value in shown)))

    def draw() -> Iterable[str]:
        left = 0.0
        for nth, (name, value) in enumerate(shown):
            width = value / whole * PANEL
            yield f'<rect x="{left:.1f}" y="{TITLE - 8}" width="{max(width - 1.5, 0.5):.1f}" height="26" rx="2" '
            yield f'fill="{SHADES[nth]}"/>'
            x, top = nth % 2 * PANEL / 2, TITLE + 42 + nth // 2 * 22
            yield f'<rect x="{x}" y="{top - 10}" width="11" height="11" rx="2" fill="{SHADES[nth]}"/>'
            yield _text(x + 18, top, f"{name}  {_number(value)}", size=12.5)
            left += width
        yield _text(PANEL, 40, f"together {_number(whole)}", size=12.5, anchor="end", weight=600)

    return Panel(title, subtitle, TITLE + 40 + (len(shown) + 1) // 2 * 22, draw)


def _growth(found: Mapping[str, Result]) -> Panel | None:
    """Lines of ratios over sizes: flat is well."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for name, result in found.items():
        if name.startswith("growth: ") and result.ratio is not None:
            what, _, size = name.removeprefix("growth: ").rpartition(", with ")
            lines.setdefault(what, []).append((float(size.split()[0].replace(",", "")), result.ratio))
    if not lines:
        return None
    sizes = sorted({size for points in lines.values() for size, _ in points})
    most = max(2.0, *(ratio for points in lines.values() for _, ratio in points))
    tall, wide = 170, PANEL - 190
    first, span = log10(sizes[0]), (log10(sizes[-1]) - log10(sizes[0])) or 1.0

    def place(size: float, ratio: float) -> tuple[float, float]:
        return 40 + (log10(size) - first) / span * (wide - 40), TITLE + tall - ratio / most * tall

    def draw() -> Iterable[str]:
        for ratio in range(int(most) + 1):
            y = place(sizes[0], ratio)[1]
            yield f'<path d="M40 {y:.1f}H{wide}" stroke="#e3e6ea"/>'
            yield _text(30, y + 4, f"{ratio} ×", size=12, anchor="end", fill=FAINT)
        for size in sizes:
            yield _text(place(size, 0)[0], TITLE + tall + 20, f"{size:,.0f}", size=12, anchor="middle", fill=FAINT)
        ends = sorted(lines, key=lambda what: -lines[what][-1][1])
        low = float(TITLE)
        for nth, what in enumerate(ends):
            colour = ("#0f766e", "#f59e0b", "#64748b", "#c2410c", "#7c3aed")[nth % 5]
            points = [place(*point) for point in sorted(lines[what])]
            route = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            yield f'<path d="M{route}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
            yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points)
            low = max(low + 18, points[-1][1] + 4)
            yield _text(wide + 14, low, f"{what}  {lines[what][-1][1]:.2f} ×", size=12.5, fill=colour, weight=600)

    return Panel("Growth", "time for the same work by number of events in the tables, beside the smallest",
                 TITLE + tall + 34, draw)  # fmt: skip


def _legend() -> Iterable[str]:
    entries = ((OURS, "ours"), (OTHER, "bound or peer, same run"))
    x = WIDTH - 400
    for colour, said in entries:
        yield f'<rect x="{x}" y="30" width="13" height="13" rx="2" fill="{colour}"/>'
        yield _text(x + 20, 41, said, size=12.5)
        x += 70 if said == "ours" else 190
    yield f'<path d="M{x} 27v18" stroke="{FLOOR}" stroke-width="2"/>'
    yield _text(x + 10, 41, "floor / limit", size=12.5)


def _colour(bar: Bar) -> str:
    return OURS if bar.is_ours else OTHER


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _text(
    x: float, y: float, said: str, *, size: float, fill: str = INK, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(said)}</text>'
    )
