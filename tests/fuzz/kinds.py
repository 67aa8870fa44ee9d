"""What is mutated, how, and through which commands each mutant goes.

A mutant is told by (seed, kind, index) alone. Its index chooses in turn the valid file that it is made of and the step
that it goes through; the dice choose what is changed.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edge_deeplab.text import size_text
from tests.fuzz import calls, folders, models, planted
from tests.fuzz.bases import PEERS, SEVERAL, SIZES_HW
from tests.fuzz.calls import Case
from tests.fuzz.dice import OUTSIDE, Dice, roll

Change = Callable[[Path, Dice], str]
"""Changes a file or folder in place and says how."""
PLANTED = "planted"
"""The kind that proves that harm is found; it is dealt only where it is asked for."""
_SHARE_HUMAN = 0.25
"""Share of the mutants about which a command tells people, in place of JSON for scripts."""


@dataclass(frozen=True)
class Step:
    """One thing that is done with a mutant: a command, or the functions that it calls.

    Args:
        name: of the command.
        arguments: of the command; {path} stands for the mutant, {bases} for the folder of valid files, {out} for a
            folder of its own.
        call: what is called instead.
        limit_s: seconds that it may take.
    """

    name: str
    arguments: tuple[str, ...] = ()
    call: Callable[[Case], None] | None = None
    limit_s: float = 10.0

    def command(self, case: Case, *, as_json: bool) -> list[str]:
        """Return the command's arguments for a case."""
        places = {"path": case.path, "bases": case.bases, "out": case.out}
        filled = [part.format(**places) for part in self.arguments]
        return [*filled, "--json"] if as_json else filled


@dataclass(frozen=True)
class Subject:
    """A valid file, or folder, and the steps that it and its mutants go through in turn."""

    base: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of what strangers give.

    Args:
        change: makes a mutant of a copy of a valid file.
        subjects: the valid files.
        share: of all mutants, in parts; 0 for what runs only when it is asked for.
    """

    change: Change
    subjects: tuple[Subject, ...]
    share: int


@dataclass(frozen=True)
class Mutant:
    """A changed copy of a valid file.

    Args:
        case: where it lies.
        step: what it goes through.
        told: what was changed.
        as_json: whether the command is asked for JSON.
    """

    case: Case
    step: Step
    told: str
    as_json: bool


def _command(name: str, *arguments: str, limit_s: float = 10.0) -> Step:
    return Step(name, (name.split()[0], *arguments), limit_s=limit_s)


_DATA = ("--data", "{bases}/data", "--limit", "1")
_FOREIGN = ("--class-map", "{bases}/class-map.toml", "--normalisation", "127/128")
_REFERENCE = "{bases}/reference.safetensors"
_IMAGES = "{bases}/data/test/images"
_BENCH = ("--rounds", "1", "--threads", "1")
_SHOWN = ("--headless", "--limit", "1", "--record", "{out}/shown")
_CHECK = _command("check", "{path}")
_TIMED = _command("bench", "{path}", *_BENCH)
_RUN = (
    _TIMED,
    _command("evaluate", "{path}", *_DATA, *_FOREIGN),
    _command("parity", "{path}", "--reference", _REFERENCE, *_DATA, *_FOREIGN),
    _command("demo", "--artifact", "{path}", "--source", _IMAGES, *_SHOWN),
)
_SIZED = _command(
    "demo --size", "{path}", "--source", _IMAGES, *_SHOWN, "--size", size_text(SIZES_HW[1])
)
_EXPLAINED = Step("parity --explain", call=calls.tap_values)


def _exported(file_format: str, *others: Step) -> tuple[Subject, ...]:
    """Return exported files: int8, fp32 with logits, one that does not describe itself, and one of several sizes."""
    profiled = tuple(
        part for name in calls.profiles_of(file_format) for part in ("--profile", name)
    )
    names = calls.exported_names(file_format)
    quantized = f"{{bases}}/{names[0]}"
    named = {
        name: (
            _CHECK,
            *_RUN,
            _command("check --profile", "{path}", *profiled),
            _command("check --same-quantization", "--same-quantization", quantized, "{path}"),
            _EXPLAINED,
            *((_SIZED,) if name.startswith(SEVERAL) else ()),
            *others,
        )
        for name in names
    }
    return tuple(Subject(name, steps) for name, steps in named.items())


def _recipe(verb: str, *checkpoint: str) -> Subject:
    """Return a recipe, whose command ends at a folder of data that is not there."""
    told = ("--data", "{bases}/absent", "--recipe", "{path}", "--output", "{out}/run")
    return Subject(f"{verb}.toml", (_command(verb, *checkpoint, *told),))


_CHECKPOINT_STEPS = (
    _command("evaluate", "{path}", *_DATA, *_FOREIGN[:2]),
    _TIMED,
    _command("evaluate --scales", "{path}", *_DATA, *_FOREIGN[:2], "--scales", "0.5,1", "--flip"),
    _command("demo", "--artifact", "{path}", "--source", _IMAGES, *_SHOWN),
    _command("evaluate --output-stride", "{path}", *_DATA, *_FOREIGN[:2], "--output-stride", "8"),
    _command(
        "parity --reference",
        "{bases}/small-int8.onnx",
        "--reference",
        "{path}",
        *_DATA,
        *_FOREIGN[:2],
    ),
    _command("export", "{path}", "--target", "onnx", "--output", "{out}/exports", limit_s=30.0),
)
_READ = Step("evaluate (reading)", call=calls.read_data)
_DRAWN = Step("train (reading)", call=calls.draw_crops)
_SHOWN_STILL = Step("demo (reading)", call=calls.show_images)
_EVALUATED = _command("evaluate", "{bases}/small-int8.onnx", "--data", "{path}")
_SHOWN_IMAGES = _command(
    "demo", "--artifact", "{bases}/small-int8.onnx", "--source", "{path}/test/images", *_SHOWN
)


@cache
def kinds() -> Mapping[str, Kind]:
    """Return the kinds by name."""
    fix = _command("check --fix", "--fix", "--output", "{out}/fixed.tflite", "{path}")
    brought = _command("import", "{path}", "--output", "{out}/imported.safetensors")
    script = _command("check --mac-script", "--mac-script", "{out}/mac.py", "{path}")
    described = tuple(
        Subject(f"small-int8.{ending}", (*_RUN, _CHECK))
        for ending in ("tflite", "onnx", "mlpackage")
    )
    merged = _command("check --merge", "{bases}/small-int8.mlpackage", "--merge", "{path}")
    replayed = _command(
        "parity --masks",
        "{bases}/small-int8.onnx",
        "--masks",
        "{path}",
        "--reference",
        _REFERENCE,
        *_DATA,
    )
    rewritten = Step("export (manifest)", call=calls.write_beside)
    return {
        "tflite": Kind(models.change_tflite, _exported("tflite", fix, brought), 5),
        "onnx": Kind(models.change_onnx, _exported("onnx"), 4),
        "pte": Kind(models.change_bytes, _exported("executorch"), 2),
        "aimodel": Kind(folders.change_asset, _exported("coreai"), 2),
        "mlpackage": Kind(folders.change_package, _exported("coreml", script), 3),
        "safetensors": Kind(
            models.change_checkpoint,
            (
                Subject("reference.safetensors", _CHECKPOINT_STEPS),
                Subject("pruned.safetensors", _CHECKPOINT_STEPS),
            ),
            2,
        ),
        "description": Kind(models.change_description, described, 2),
        "dataset": Kind(
            folders.change_dataset, (Subject("data", (_READ, _DRAWN, _SHOWN_STILL, _EVALUATED)),), 1
        ),
        "image": Kind(
            folders.change_pictures,
            (Subject("data", (_READ, _DRAWN, _SHOWN_STILL, _READ, _EVALUATED, _SHOWN_IMAGES)),),
            1,
        ),
        "replay": Kind(folders.change_replay, (Subject("replayed", (replayed,)),), 1),
        "recipe": Kind(
            folders.change_toml,
            (
                _recipe("train"),
                _recipe("qat", _REFERENCE),
                _recipe("prune", _REFERENCE),
                _recipe("compress", _REFERENCE),
                Subject("compress.toml", (Step("compress (preflight)", call=calls.check_recipe),)),
                Subject("class-map.toml", (Step("class map", call=calls.read_map),)),
                Subject("label-map.toml", (Step("label map", call=calls.read_relabelled),)),
            ),
            1,
        ),
        "manifest": Kind(
            folders.change_json,
            (
                Subject("exports", (Step("artifacts", call=calls.expand), rewritten, _CHECK)),
                Subject("report.json", (Step("compress (report)", call=calls.gather_anew),)),
                Subject("steps", (Step("compress (step)", call=calls.run_again),)),
                Subject("latency.json", (Step("prune (latency)", call=calls.read_times),)),
                Subject("mac-result.json", (merged,)),
            ),
            1,
        ),
        "peer": Kind(
            models.change_tflite, tuple(Subject(name, (_CHECK, *_RUN)) for name in PEERS), 0
        ),
        PLANTED: Kind(folders.change_toml, (Subject("class-map.toml", _planted()),), 0),
    }


def _planted() -> tuple[Step, ...]:
    short = {planted.hang: planted.SHORT_LIMIT_S}
    calls_ = (*planted.FOUND, *planted.HARMLESS)
    return tuple(Step(c.__name__, call=c, limit_s=short.get(c, 10.0)) for c in calls_)


def make_mutant(name: str, seed: int, index: int, bases: Path, folder: Path) -> Mutant:
    """Write a mutant into an empty folder.

    Args:
        name: key of `kinds()`.
        seed: of the run.
        index: the mutant's number within its kind; -1 and below give the valid files themselves.
        bases: folder of the valid files.
        folder: where it is written; the file that nothing may open lies beside it.
    """
    kind = kinds()[name]
    number = index if index >= 0 else -1 - index
    subject = kind.subjects[number % len(kind.subjects)]
    turn = number // len(kind.subjects)
    step = subject.steps[turn % len(subject.steps)]
    source, path = bases / subject.base, folder / "given" / Path(subject.base)
    path.parent.mkdir(parents=True)
    if source.is_dir():
        shutil.copytree(source, path)
    else:
        shutil.copyfile(source, path)
    dice = roll(seed, name, index, str(folder.parent / OUTSIDE))
    told = kind.change(path, dice) if index >= 0 else "nothing"
    out = folder / "out"
    out.mkdir()
    return Mutant(Case(path, bases, out), step, told, as_json=dice.random() > _SHARE_HUMAN)
