"""One measured figure, beside the bound that was measured in the same run."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """A figure. `ratio` is value divided by bound, where there is a bound; `bound_name` says what the bound is."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    bound_name: str | None = None

    @property
    def ratio(self) -> float | None:
        """The value as a share or a multiple of its bound."""
        return self.value / self.bound if self.bound else None


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies (nearest rank); `share` is between 0 and 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Write a list of `{name, value, unit, bound, bound_name, ratio}`; numbers are rounded to five digits."""
    found = []
    for result in results:
        entry = asdict(result) | {"ratio": result.ratio}
        found.append({name: _rounded(value) if isinstance(value, float) else value for name, value in entry.items()})
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def read_results(path: Path) -> list[Result]:
    """The results of an earlier run."""
    return [
        Result(entry["name"], entry["value"], entry["unit"], entry["bound"], entry["bound_name"])
        for entry in json.loads(path.read_text())
    ]


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
