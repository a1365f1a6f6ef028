"""What codes mean to customers, in four languages: the words of a final response."""

import tomllib
from importlib.resources import files

from .domain import Complaint

LANGUAGES = ("de", "en", "fr", "it")
WORDS: dict[str, dict[str, dict[str, str]]] = tomllib.loads(
    (files(__package__) / "rules" / "words.toml").read_text(encoding="utf-8")
)


def sentence(group: str, code: str, language: str) -> str:
    """What this code of a group says to a customer; in English where the language is none of ours."""
    return WORDS[group][code][language if language in LANGUAGES else "en"]


def response_values(complaint: Complaint, *, answer: str, language: str) -> dict[str, str]:
    """What the final response to a decided complaint says: the outcome, why, and every other way (R69)."""
    decision = complaint.decision
    if decision is None or complaint.response is None:
        raise ValueError("a final response follows a decision")
    return {
        "outcome": sentence("responses", complaint.response, language),
        "reasons": " ".join(sentence("reasons", code, language) for code in decision.reasons),
        "other_ways": "\n".join(f"- {sentence('other_ways', code, language)}" for code in decision.other_ways),
        "answer": answer,
    }
