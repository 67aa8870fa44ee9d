"""Every failure the package raises on purpose.

    EdgeDeepLabError
    |-- ConfigError (also a ValueError)   a setting, size, name or recipe that cannot be meant
    |-- DataError                         images, masks, folders
    |   `-- MissingSplitError             a split that a data folder has not
    |-- CheckpointError                   a checkpoint that cannot be read or does not fit
    |-- ArtifactError                     an exported file that cannot be read or does not describe itself
    |   `-- ChildError                    the process of its own that worked on the file was lost
    |-- OutputError                       a place that cannot be written
    |   `-- UnwrittenError                what was asked for beside a result, which is kept
    |-- MissingDependencyError            an optional package is absent
    |-- ToolError                         a vendor's tool that is missing, or failed
    |-- CaptureError                      the model could not be captured as a canonical graph
    |-- ConversionError                   a target's lowering failed
    |   `-- UnsupportedOperatorError      an operator that the target or evaluator does not know
    |-- ParityError                       an artifact does not keep the reference's score
    `-- StepError                         a step of the chain failed; the steps before it are kept

The message of each is one sentence in three parts: what came, what was expected, what to do. The command line prints
it and exits with code 1.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from types import ModuleType

from edge_deeplab.text import first_line


class EdgeDeepLabError(Exception):
    """Root of every error that this package raises on purpose."""


class ConfigError(EdgeDeepLabError, ValueError):
    """A setting, name, size or recipe that cannot be meant.

    Attributes:
        field: of the request whose value alone is wrong, whatever the others are; None where it is something else.
    """

    field: str | None = None


class DataError(EdgeDeepLabError):
    """An image, mask or data folder that cannot be used."""


class MissingSplitError(DataError):
    """A split that a data folder has not, as against one that is there and cannot be used."""


class CheckpointError(EdgeDeepLabError):
    """A checkpoint that cannot be read or does not fit its model."""


class ArtifactError(EdgeDeepLabError):
    """An exported file that cannot be read, run or does not say what it is."""


class ChildError(ArtifactError):
    """The process of its own that worked on a file ended, stalled, took too much or gave no proper answer.

    Args:
        subject: the file.
        ending: what became of the process; its subject is "it".
        advice: what to do.
    """

    def __init__(
        self, subject: str, ending: str, advice: str = "export or download it again"
    ) -> None:
        super().__init__(
            f"{subject} was given to a process of its own, and {ending}; a file that can be run was expected; {advice}"
        )
        self.subject = subject
        self.ending = ending


class OutputError(EdgeDeepLabError):
    """An output that cannot be written; what stood there before is untouched."""


class UnwrittenError(OutputError):
    """All was measured, and something that was asked for beside the result could not be written.

    Args:
        result: what the verb returns where all is written.
        sentences: why, one for each output that failed; the others are written.
    """

    def __init__(self, result: object, sentences: Sequence[str]) -> None:
        super().__init__("; ".join(sentences))
        self.result = result
        self.sentences = tuple(sentences)


class MissingDependencyError(EdgeDeepLabError):
    """An optional package is not installed.

    Args:
        package: the distribution that is missing.
        extra: the extra of this project that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed and this step needs it; "
            f"install it with: pip install 'edge-deeplab[{extra}]'"
        )
        self.package = package
        self.extra = extra


class ToolError(EdgeDeepLabError):
    """A vendor's tool is missing, of another version, does not run here, or failed.

    Args:
        tool: its name.
        reason: what came, what was expected and what to do, one sentence without the tool's name.
    """

    def __init__(self, tool: str, reason: str) -> None:
        super().__init__(f"{tool}: {reason}")
        self.tool = tool


class CaptureError(EdgeDeepLabError):
    """torch.export could not capture the model."""


class ConversionError(EdgeDeepLabError):
    """Lowering the canonical graph to a target failed."""


class UnsupportedOperatorError(ConversionError):
    """An operator that the target or the evaluator does not know.

    Args:
        operators: names of the operators.
        where: what does not support them.
    """

    def __init__(self, operators: Sequence[str], where: str) -> None:
        super().__init__(f"{where} does not support {', '.join(operators)}")
        self.operators = tuple(operators)
        self.where = where


class ParityError(EdgeDeepLabError):
    """An artifact does not keep the reference's score.

    Args:
        message: the sentence.
        measured: the measured drop in mIoU points.
        limit: the largest drop that was allowed.
    """

    def __init__(self, message: str, *, measured: float, limit: float) -> None:
        super().__init__(message)
        self.measured = measured
        self.limit = limit


class StepError(EdgeDeepLabError):
    """A step of the chain failed.

    Args:
        step: its name.
        error: what it failed with.
    """

    def __init__(self, step: str, error: Exception) -> None:
        unexpected = (
            f"unexpected {type(error).__name__}: {first_line(error)}; its traceback shows where"
        )
        sentence = str(error) if isinstance(error, EdgeDeepLabError) else unexpected
        super().__init__(f"step {step}: {sentence}; the steps before it are kept")
        self.step = step


_LONGEST_TOLD = 100
"""Letters of a stranger's text that a sentence repeats."""


def unknown_choice(kind: str, value: object, choices: Sequence[str]) -> ConfigError:
    """Return the error for a name that is not among `choices`, naming the closest and all of them."""
    told = value[:_LONGEST_TOLD] if isinstance(value, str) else value
    close = get_close_matches(str(told), choices, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return ConfigError(f"unknown {kind} {told!r}{hint}; choose one of: {', '.join(choices)}")


@contextmanager
def checking(field: str) -> Iterator[None]:
    """Let a ConfigError of the block say which field's value it is about."""
    try:
        yield
    except ConfigError as error:
        error.field = field
        raise


def require(module: str, *, package: str, extra: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        module: dotted module name to import.
        package: the distribution that carries it.
        extra: this project's extra that installs it.

    Raises:
        MissingDependencyError: when the module is not installed.
    """
    from importlib import import_module

    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name.split(".")[0]):
            raise
        raise MissingDependencyError(package, extra) from error


def missing(module: str, *, package: str, extra: str) -> str | None:
    """Return the sentence that says how to install an optional dependency; None where it can be imported.

    Arguments as for `require`.
    """
    try:
        require(module, package=package, extra=extra)
    except MissingDependencyError as error:
        return str(error)
    return None
