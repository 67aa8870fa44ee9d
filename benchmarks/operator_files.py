"""Files of one operator each, of many cases, in float and in int8."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar


class OperatorCase(Protocol):
    """One operator in one setting."""

    @property
    def operator(self) -> str:
        """The format's name of it."""


C = TypeVar("C", bound=OperatorCase)


def write_cases(
    says: str,
    cases: Iterable[C],
    ending: str,
    build: Callable[[C, bool], bytes],
    open_file: Callable[[bytes], object],
) -> None:
    """Write the files that the command line asks for; what the runtime refuses is said, and not written.

    Args:
        says: what the command does.
        cases: all of them.
        ending: of the files.
        build: makes a file's content of a case, quantized or not.
        open_file: opens a content in its own runtime.
    """
    parser = argparse.ArgumentParser(description=says)
    parser.add_argument("folder", type=Path)
    parser.add_argument("operators", nargs="*")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(cases):
        if arguments.operators and case.operator not in arguments.operators:
            continue
        for precision in ("fp32", "int8"):
            path = arguments.folder / f"{case.operator}{number:03}-{precision}{ending}"
            content = build(case, precision == "int8")
            try:
                open_file(content)
            except Exception as error:  # the runtimes' errors have no common base
                reason = " ".join(str(error).split())
                sys.stdout.write(f"{path.name}: its own runtime refuses it: {reason}\n")
                continue
            path.write_bytes(content)
