"""What became of the messages of one session: the account that decides whether it was whole."""

import reprlib
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ._words import count, enumerate_names, shorten

if TYPE_CHECKING:
    from ironpipe import DeliveryReport

# The first ones tell what is wrong; a million of them must not fill the memory.
_REFUSALS_KEPT = 100

# Makes the beginning of a value's repr without making the whole of it.
_SHORT = reprlib.Repr()
_SHORT.maxdict = 8
_SHORT.maxstring = _SHORT.maxother = 80


@dataclass(frozen=True)
class Refusal:
    """A message that was read and that Dagster would not take."""

    method: str
    reason: str
    head: str

    def __str__(self) -> str:
        return f"{self.method} {self.head}: {self.reason}"


class Silence(NamedTuple):
    """A message that each writer sends, and that did not come."""

    missing: Literal["opened", "closed"]
    whose: str = ""
    debug_text: str = ""
    """What the reader has to say where no messages come."""

    def __str__(self) -> str:
        return f"no {self.missing} message" + (f" from {self.whose}" if self.whose else "")


@dataclass
class Writer:
    """One of the external processes that report into a composite session.

    Attributes:
        place: Which of them it is, from 1.
        of: How many there are.
        reader: The class name of the reader that its messages come through.
        debug_text: What that reader has to say where no messages come.
        opened: How many ``opened`` came.
        closed: How many ``closed`` came.
    """

    place: int
    of: int
    reader: str
    debug_text: str = ""
    opened: int = 0
    closed: int = 0

    def __str__(self) -> str:
        return f"writer {self.place} of {self.of} ({self.reader})"

    @property
    def silence(self) -> Silence | None:
        """What did not come of it; None if all is well."""
        if self.opened and self.closed:
            return None
        return Silence("closed" if self.opened else "opened", str(self), self.debug_text)


@dataclass(frozen=True)
class Outcome:
    """The verdict on a session.

    Attributes:
        losses: What was lost, one phrase each. Any of them fails the step.
        repairs: What was delivered, but not as it was sent.
        silences: ``opened`` or ``closed`` that never came.
        reports: The readers' own reports.
        text: All of it in words, for the error.
    """

    losses: tuple[str, ...]
    repairs: tuple[str, ...]
    silences: tuple[str, ...]
    reports: "tuple[DeliveryReport, ...]"
    text: str


class Ledger:
    """Collects what happens to the messages of one session. Any thread may write into it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reports: list[tuple[str, DeliveryReport]] = []
        self._refusals: list[Refusal] = []
        self._refused_count = 0
        self._failures: list[str] = []
        self._unclosed: list[str] = []
        # By reader, the writers that opened and did not close where nothing was held back.
        self._still_open: dict[str, list[str]] = {}
        self._writers: tuple[Writer, ...] = ()

    def expect(self, writers: Sequence[Writer]) -> None:
        """Says which external processes report into this session.

        Args:
            writers: All of them. They go on counting.
        """
        self._writers = tuple(writers)

    def add_report(self, reader: str, report: "DeliveryReport", *, buffered: bool = False) -> None:
        """Enters what a reader counted.

        Args:
            reader: The reader's class name, or what else names it.
            report: Its report, final.
            buffered: Whether the writers hold messages back, so that one which opened and never
                closed has lost some.
        """
        with self._lock:
            self._reports.append((reader, report))
            silent = [writer.writer for writer in report.writers if not writer.closed]
            if buffered and (silent or report.closed < report.opened):
                named = f" ({', '.join(silent)})" if silent else ""
                self._unclosed.append(f"{reader}{named}")
            elif not report.unclosed:
                # A forked child opens nothing, and has nothing to close.
                still_open = [w.writer for w in report.writers if w.opened and not w.closed]
                self._still_open.setdefault(reader, []).extend(still_open)

    def refuse(self, message: Mapping[str, Any], reason: BaseException) -> None:
        """Enters a message that the handler did not take.

        Args:
            message: The message as it stands on the wire, decoded.
            reason: What the handler raised.
        """
        with self._lock:
            self._refused_count += 1
            if len(self._refusals) < _REFUSALS_KEPT:
                self._refusals.append(
                    Refusal(
                        method=str(message.get("method")),
                        reason=_describe(reason),
                        # The params may be 200 MB; their beginning is enough to find them.
                        head=shorten(_SHORT.repr(message.get("params"))),
                    )
                )

    def fail(self, origin: str, error: BaseException | None) -> None:
        """Enters the death of a reader: what it had not read yet is lost, and nobody counted it.

        Args:
            origin: What died, in words.
            error: What it died of.
        """
        with self._lock:
            self._failures.append(origin if error is None else f"{origin}: {_describe(error)}")

    @property
    def losses(self) -> tuple[str, ...]:
        """What was lost so far, one phrase each."""
        with self._lock:
            return self._losses([report for _, report in self._reports])

    def silences(self, *, opened: bool, closed: bool) -> Sequence[Silence]:
        """What did not come, although every writer sends it.

        Args:
            opened: Whether any writer said ``opened``.
            closed: Whether any writer said ``closed``.
        """
        if not self._writers and not (opened and closed):
            if not opened and self._nobody_opens():
                return []
            return [Silence("closed" if opened else "opened")]
        silences = [writer.silence for writer in self._writers if writer.silence]
        named = {silence.whose for silence in silences}
        for reader, writers in self._still_open.items():
            if writers and reader not in named:
                # The `closed` of another writer is not theirs.
                whose = f"{enumerate_names('writer', writers)} ({reader})"
                silences.append(Silence("closed", whose))
        return silences

    def _nobody_opens(self) -> bool:
        """Whether all that came is of writers of one message, which open and close nothing."""
        return self.delivered > 0 and all(
            report.unnumbered == 0 and all(writer.closed for writer in report.writers)
            for _, report in self._reports
        )

    @property
    def delivered(self) -> int:
        """How many messages came, as far as their readers count."""
        return sum(report.delivered for _, report in self._reports)

    def outcome(self, *, opened: bool, closed: bool) -> Outcome:
        """The verdict, once nothing more can arrive.

        Args:
            opened: Whether any writer said ``opened``.
            closed: Whether any writer said ``closed``.
        """
        with self._lock:
            reports = tuple(report for _, report in self._reports)
            losses = self._losses(reports)
            repairs = _repairs(reports)
            silences = tuple(map(str, self.silences(opened=opened, closed=closed)))
            return Outcome(
                losses=losses,
                repairs=repairs,
                silences=silences,
                reports=reports,
                text=self._text(losses, repairs, silences),
            )

    def _losses(self, reports: "Sequence[DeliveryReport]") -> tuple[str, ...]:
        losses: list[str] = []
        if rejected := sum(report.rejected_count for report in reports):
            losses.append(f"{count(rejected, 'line')} rejected")
        if missing := sum(report.missing_count for report in reports):
            losses.append(f"{count(missing, 'message')} missing")
        if lost := sum(report.lost_chunk_count for report in reports):
            losses.append(f"{count(lost, 'chunk')} missing")
        if unclosed := sum(report.unclosed for report in reports):
            losses.append(
                f"{count(unclosed, 'writer')} never closed: what was held back is missing"
            )
        if self._refused_count:
            losses.append(f"{count(self._refused_count, 'message')} refused by Dagster")
        losses.extend(
            f"a writer never closed, so what it held back is missing: {name}"
            for name in self._unclosed
        )
        losses.extend(f"counts unknown, the reader died in {failure}" for failure in self._failures)
        return tuple(losses)

    def _text(self, losses: Sequence[str], repairs: Sequence[str], silences: Sequence[str]) -> str:
        if losses:
            head = f"Messages from the external process were lost: {'; '.join(losses)}."
        elif repairs or silences:
            head = (
                "The messages from the external process are not as they should be:"
                f" {'; '.join((*repairs, *silences))}."
            )
        else:
            head = "Every message from the external process was delivered."
        parts = [head]
        parts.extend(f"{reader}: {report}" for reader, report in self._reports)
        if not self._reports:
            parts.append("No delivery report: the message reader does not count.")
        if self._refusals:
            lines = [f"Refused by Dagster ({self._refused_count}):"]
            lines.extend(f"  {refusal}" for refusal in self._refusals)
            if more := self._refused_count - len(self._refusals):
                lines.append(f"  … and {more} more")
            parts.append("\n".join(lines))
        return "\n".join(parts)


def _describe(error: BaseException) -> str:
    return shorten("".join(traceback.format_exception_only(type(error), error)), 500)


def _repairs(reports: "Sequence[DeliveryReport]") -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for report in reports:
        for what, times in report.repaired.items():
            counts[what] = counts.get(what, 0) + times
    repairs = [f"{what} ({times:,})" for what, times in counts.items()]
    if repeated := sum(report.repeated_count for report in reports):
        repairs.append(f"{count(repeated, 'repeated message')} dropped")
    return tuple(repairs)
