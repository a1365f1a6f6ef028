"""The plots of the model card as SVG: reliability, and how much can be decided at which precision."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from ..plot import FAINT, FLOOR, FONT, INK, OURS, PAPER

SIDE, LEFT, TOP, BETWEEN = 320, 70, 76, 110
COLOURS = {"de": OURS, "en": "#2563eb", "fr": "#c026d3", "it": "#16a34a", "es": "#d97706"}
Line = Sequence[tuple[float, float]]
"""Points between 0 and 1, from left to right."""


def write_plots(path: Path, *, reliability: dict[str, Line], coverage: dict[str, Line], precision: float) -> None:
    """Draw both, a line a language; `precision` is marked where it is asked for."""
    width, height = 2 * LEFT + 2 * SIDE + BETWEEN, TOP + SIDE + 96
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" {FONT}>',
        f'<rect width="100%" height="100%" rx="10" fill="{PAPER}"/>',
        f'<g transform="translate({LEFT},{TOP})">',
        *_frame("Reliability", "how often readings so sure are right (five at least)", ("said", "right"), (0.0, 1.0)),
        _line([(0, 0), (1, 1)], FAINT, dashed=True),
        *(_line(line, COLOURS.get(name, INK), dots=True) for name, line in reliability.items()),
        "</g>",
        f'<g transform="translate({LEFT + SIDE + BETWEEN},{TOP})">',
        *_frame("Coverage", "the share that is decided at which precision", ("decided", "of them right"), (0.7, 1.0)),
        _line([(0, (precision - 0.7) / 0.3), (1, (precision - 0.7) / 0.3)], FLOOR, dashed=True),
        *(_line([(x, (y - 0.7) / 0.3) for x, y in line if y >= 0.7], COLOURS.get(name, INK))
          for name, line in coverage.items()),
        "</g>",
        *_legend(list(reliability), top=height - 22),
        "</svg>",
        "",
    ]  # fmt: skip
    path.write_text("\n".join(parts), encoding="utf-8")


def _frame(title: str, about: str, names: tuple[str, str], rises: tuple[float, float]) -> Iterable[str]:
    yield _text(0, -44, title, size=17, weight=620)
    yield _text(0, -22, about, size=12.5, fill=FAINT)
    for step in range(6):
        place, value = step / 5 * SIDE, rises[0] + (rises[1] - rises[0]) * step / 5
        yield f'<line x1="0" x2="{SIDE}" y1="{SIDE - place:.1f}" y2="{SIDE - place:.1f}" stroke="#e5e8ec"/>'
        yield _text(-10, SIDE - place + 4, f"{value:.0%}", size=11, fill=FAINT, anchor="end")
        yield _text(place, SIDE + 18, f"{step / 5:.0%}", size=11, fill=FAINT, anchor="middle")
    yield f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="{FAINT}"/>'
    yield _text(SIDE / 2, SIDE + 38, names[0], size=12, fill=FAINT, anchor="middle")
    yield (
        f'<g transform="translate(-52,{SIDE / 2}) rotate(-90)">'
        + _text(0, 0, names[1], size=12, fill=FAINT, anchor="middle")
        + "</g>"
    )


def _line(points: Line, colour: str, *, dashed: bool = False, dots: bool = False) -> str:
    places = [(x * SIDE, SIDE - y * SIDE) for x, y in points]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>' for x, y in places) if dots else ""
    return f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>{marks}'


def _legend(names: Sequence[str], *, top: float) -> Iterable[str]:
    for place, name in enumerate(names):
        left = LEFT + place * 90
        yield f'<rect x="{left}" y="{top - 9}" width="18" height="4" fill="{COLOURS.get(name, INK)}"/>'
        yield _text(left + 26, top - 3, name, size=12)


def _text(
    x: float, y: float, text: str, *, size: float, fill: str = INK, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
