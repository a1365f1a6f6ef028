"""The table in the terminal: each figure with its bound, its ratio, and the floor that it has to reach."""

from .floors import FLOORS, Floor
from .results import Result


def header() -> str:
    """The line above the columns."""
    return f"{'':<66}{'measured':>14} {'unit':<14}{'bound':>12}{'ratio':>8}  bound is, floor"


def line(result: Result) -> str:
    """One figure as a line."""
    bound = f"{_number(result.bound):>12}" if result.bound is not None else " " * 12
    ratio = f"{result.ratio:>8.2f}" if result.ratio is not None else " " * 8
    floor = FLOORS.get(result.name)
    remarks = [result.bound_name or "", _verdict(floor, result) if floor else ""]
    said = "; ".join(remark for remark in remarks if remark)
    return f"{result.name:<66}{_number(result.value):>14} {result.unit:<14}{bound}{ratio}  {said}".rstrip()


def _verdict(floor: Floor, result: Result) -> str:
    return f"floor {floor.said}: {'met' if floor.is_met(result) else 'MISSED'}"


def _number(value: float) -> str:
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.4f}"
