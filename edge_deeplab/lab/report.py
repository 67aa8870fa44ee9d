"""What the lab found: one cell a file and device, with how it is known."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from edge_deeplab.checker.observing import RunCost
from edge_deeplab.evaluation.scores import finite_or_none
from edge_deeplab.formats.sizes import Size
from edge_deeplab.text import at_size

Evidence = Literal["predicted", "compiled", "executed"]
"""How a cell is known: from rules alone, from the device's own compiler, or from running the file."""


@dataclass(frozen=True)
class LeftOperator:
    """An operator that does not run on the accelerator.

    Args:
        operator: its type.
        name: its name in the file.
        reason: why, in the tool's words, or in the rule's where no tool was asked.
        advice: what the rule says that mends it, or None.
    """

    operator: str
    name: str
    reason: str
    advice: str | None = None


@dataclass(frozen=True)
class AgainstReference:
    """What a device's class maps score against the checkpoint that the file was exported from.

    Args:
        path: the checkpoint.
        delta_miou: mIoU on the device minus the checkpoint's, in points.
        delta_interval: its 95 % paired-bootstrap interval.
    """

    path: Path
    delta_miou: float
    delta_interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "path": str(self.path),
            "delta_miou": finite_or_none(self.delta_miou),
            "delta_interval": [finite_or_none(v) for v in self.delta_interval],
        }


@dataclass(frozen=True)
class Execution:
    """What a device computed of labelled images, against the same file in its runtime on this machine.

    Args:
        agreement: fraction of pixels of one class.
        delta_miou: mIoU on the device minus that of the runtime, in points.
        delta_interval: its 95 % paired-bootstrap interval.
        images: how many were run.
        seconds_an_image: what one took, with all that the tool does around it.
        reference: the same against a checkpoint; None where there is none.
    """

    agreement: float
    delta_miou: float
    delta_interval: tuple[float, float]
    images: int
    seconds_an_image: float
    reference: AgainstReference | None = None


@dataclass(frozen=True)
class Cell:
    """One file, at one of its sizes, on one device.

    Args:
        device: the profile's name.
        path: the file.
        evidence: how it is known.
        tool: what was asked; None where only rules were.
        version: the tool's.
        taken: number of operators on the accelerator; None where the file is not taken at all, or nothing tells.
        left: those that are not, in the file's order.
        accelerated_macs: share of the multiply-adds on the accelerator; None where a shape is open.
        partitions: number of parts that the accelerator takes in one piece.
        cost: the tool's estimate.
        refusal: why the tool, or by the rules the device, does not take the file.
        execution: what it computed; None where it was not run.
        differences: one sentence for each thing that the tool did otherwise than predicted.
        predicted_equal: whether there is none; None where no tool told.
        notes: what must be said beside it.
        error: why the cell failed; None where it did not.
        size_hw: height and width of the picture, of a file that takes several sizes.
    """

    device: str
    path: Path
    evidence: Evidence
    tool: str | None = None
    version: str | None = None
    taken: int | None = None
    left: tuple[LeftOperator, ...] = ()
    accelerated_macs: float | None = None
    partitions: int | None = None
    cost: RunCost | None = None
    refusal: str | None = None
    execution: Execution | None = None
    differences: tuple[str, ...] = ()
    predicted_equal: bool | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    size_hw: Size | None = None

    @property
    def title(self) -> str:
        """What tables and pages are headed with: the file, and the size, of one that takes several."""
        return at_size(self.path, self.size_hw)

    @property
    def short_title(self) -> str:
        """The same without the file's folder."""
        return at_size(self.path.name, self.size_hw)

    def left_by_reason(self) -> Mapping[str, Sequence[str]]:
        """Return the operators that are left, with their types, by why they are and what helps."""
        found: dict[str, list[str]] = {}
        for left in self.left:
            reason = f"{left.reason} ({left.advice})" if left.advice else left.reason
            found.setdefault(reason, []).append(f"{left.operator} {left.name}")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return its entry in `lab --json`."""
        ran, cost = self.execution, self.cost
        return {
            "device": self.device,
            "path": str(self.path),
            "size_hw": None if self.size_hw is None else list(self.size_hw),
            "tool": self.tool,
            "version": self.version,
            "evidence": self.evidence,
            "operators": {"taken": self.taken, "left": len(self.left)},
            "accelerated_macs": self.accelerated_macs,
            "left": [asdict(operator) for operator in self.left],
            "partitions": self.partitions,
            "cost": cost
            and {
                "milliseconds": cost.milliseconds,
                "cycles": cost.cycles,
                "sram_bytes": cost.memory_bytes,
                "note": cost.note,
            },
            "refusal": self.refusal,
            "agreement": ran and ran.agreement,
            "delta_miou": ran and finite_or_none(ran.delta_miou),
            "delta_interval": ran and [finite_or_none(v) for v in ran.delta_interval],
            "reference": ran and ran.reference and ran.reference.to_json(),
            "images": ran.images if ran else 0,
            "seconds_an_image": ran and ran.seconds_an_image,
            "predicted_equal": self.predicted_equal,
            "differences": list(self.differences),
            "notes": list(self.notes),
            "error": self.error,
        }


@dataclass(frozen=True)
class LabReport:
    """The matrix.

    Args:
        cells: a row a device, in the order of files within it.
    """

    cells: tuple[Cell, ...]

    @property
    def titles(self) -> Mapping[str, str]:
        """The files with their sizes, in the order of their first cells, each with its short title."""
        return {cell.title: cell.short_title for cell in self.cells}

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools that were asked, each with its version."""
        return tuple(dict.fromkeys(cell.version for cell in self.cells if cell.version))

    @property
    def disagreements(self) -> int:
        """Number of cells in which a tool did otherwise than predicted."""
        return sum(cell.predicted_equal is False for cell in self.cells)

    @property
    def compared(self) -> int:
        """Number of cells in which a prediction was held against a tool."""
        return sum(cell.predicted_equal is not None for cell in self.cells)

    @property
    def failures(self) -> Sequence[Cell]:
        """Cells that failed."""
        return [cell for cell in self.cells if cell.error is not None]

    def to_json(self) -> dict[str, Any]:
        """Return the document of `lab --json`."""
        return {
            "devices": [cell.to_json() for cell in self.cells],
            "compared": self.compared,
            "disagreements": self.disagreements,
        }
