"""What is wrong with a file, in words with line numbers, bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_PROBLEMS = 100
"""Problems that are kept in words; all are counted."""
_MAX_TEXT = 200


class NotRinexError(ValueError):
    """Nothing of the file can be read; the message says why and what to do."""


@dataclass(slots=True)
class Problems:
    """Problems of one file."""

    total: int = 0
    _found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, text: str) -> None:
        """Take a problem of a line, counted from 1; 0: of the file as a whole."""
        self.total += 1
        if len(self._found) < MAX_PROBLEMS:
            self._found.append((line, printable(text)))

    def count_more(self, unnamed: int) -> None:
        """Count problems for which nobody kept words."""
        self.total += unnamed

    def in_words(self) -> tuple[str, ...]:
        """Return at most `MAX_PROBLEMS` of them by line."""
        ordered = sorted(self._found, key=lambda problem: problem[0])
        return tuple(f"line {line}: {text}" if line else text for line, text in ordered)


def printable(text: str) -> str:
    """Return printable ASCII, at most 200 characters of it: files are hostile and logs are not."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:_MAX_TEXT])
