"""Other people's networks as checkpoints: read, given class names, held against their file, and written.

A TFLite file says what its network is; weights alone need a source, whose code says it. The rest is the same for both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_deeplab.data.class_list import ClassList, read_class_list
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.data.rendered_set import FirstSamples
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.description import ClassInfo, Normalisation, voc_colour
from edge_deeplab.errors import ConfigError, checking
from edge_deeplab.evaluation.agreement import FileAgreement, measure_agreement
from edge_deeplab.evaluation.class_map import ClassMap, read_class_map
from edge_deeplab.files import check_writable, file_sha256
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo, check_finite, save_checkpoint
from edge_deeplab.models.classifier import Rows
from edge_deeplab.models.foreign.reading import SOURCES, find_source, read_weights
from edge_deeplab.models.operator_graph import CLASSIFIER, GraphSpec, graph_of
from edge_deeplab.models.origins import IMPORTED, UNKNOWN, Origin, carried, origins_of
from edge_deeplab.models.tflite.decoder import with_decoder
from edge_deeplab.models.tflite.network import read_network
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.text import printable

_SIZE_HW = (512, 512)
"""Of pictures that weights are for, where nobody says it: no file of weights does."""


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """A file to import, and what it does not say of itself.

    Args:
        file: a `.tflite` file; from a source, its weights as safetensors or a pickle.
        output: the checkpoint to write.
        source: whose code the weights are from, a key of `models.foreign.reading.SOURCES`; None for a `.tflite` file.
        spec: which of its networks, as for `read_weights`.
        size_hw: of the pictures that such weights are for; None for the default.
        allow_pickle: also read the tensors of a pickle.
        unsafe_pickle: unpickle it in full, which runs code that its author chose.
        classes: a `dataset.toml`, or a text with one name a line: the classes of the checkpoint. Of a file that names
            none and comes without a class map these are its own, in the order of its ids.
        class_map: what the file's ids mean, or the TOML file that says so.
        normalisation: of a float or int8 input of a file that does not describe itself, or in place of the source's.
        decoder: give the network of a `.tflite` file DeepLabV3+'s decoder and a classifier, both untrained.
        licence: terms that the weights come under; None where they are not known.
        data: a data folder on whose pictures the network is held against the file; None measures nothing.
        split: split of the folder.
        limit: only the first pictures; None for all.
        max_pixels: a larger picture is refused.

    Raises:
        ConfigError: for a file of a kind that is not imported, an unknown source, what only a source takes where there
            is none and the other way round, or terms that are no line of text.
        OutputError: when the checkpoint could not be written.
    """

    file: Path
    output: Path
    source: str | None = None
    spec: str | Path | None = None
    size_hw: tuple[int, int] | None = None
    allow_pickle: bool = False
    unsafe_pickle: bool = False
    classes: Path | None = None
    class_map: ClassMap | Path | str | None = None
    normalisation: Normalisation | None = None
    decoder: bool = False
    licence: str | None = None
    data: Path | None = None
    split: str = "test"
    limit: int | None = 5
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        _check_kind(self)
        with checking("licence"):
            _check_terms(self.licence)
        check_writable(self.output, "file")


@dataclass(frozen=True)
class ForeignNetwork:
    """What a reader makes of a file, whatever kind it is.

    Args:
        checkpoint: the network in memory; its classes are numbered.
        own: the classes that the file names, which may be fewer than it scores; None where it names none.
        beside: by module, how many tensors were left out, because what they compute is no map of classes.
    """

    checkpoint: Checkpoint
    own: ClassList | None
    beside: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Imported:
    """A checkpoint that was written, and how it compares with its file.

    Args:
        checkpoint: its path.
        info: what it says of itself.
        origin: whose weights they are.
        fresh: classes that no row of the file's classifier scores.
        dropped: classes of the file that the checkpoint has not.
        beside: as for `ForeignNetwork`.
        agreement: with the file; None where no pictures were given.
    """

    checkpoint: Path
    info: CheckpointInfo
    origin: Origin
    fresh: tuple[str, ...]
    dropped: tuple[str, ...]
    beside: Mapping[str, int]
    agreement: FileAgreement | None

    def to_json(self) -> dict[str, Any]:
        """Return the document of `import --json`."""
        told = self.agreement
        return {
            "checkpoint": str(self.checkpoint),
            "spec": {"model": self.info.model, "size_hw": list(self.info.size_hw)},
            "classes": [c.name for c in self.info.classes],
            "leftover": list(self.dropped),
            "missing": list(self.fresh),
            "tensors_left_out": dict(self.beside),
            "normalisation": asdict(self.info.normalisation),
            "ranges": len(self.info.ranges or {}),
            "weights_of": self.origin.to_json(),
            "images": None if told is None else told.images,
            "agreement": None if told is None else told.imported,
            "quantized_agreement": None if told is None else told.quantized,
            "floor": None if told is None else told.floor,
        }


def import_checkpoint(request: ImportRequest, progress: Progress = SILENT) -> Imported:
    """Write the checkpoint of another project's file.

    Args:
        request: what is asked for.
        progress: told what is under way.

    Raises:
        CheckpointError: when its weights cannot be read, are not finite or are not those of the network.
        ArtifactError: when the file cannot be read, or holds no network that follows the picture's size.
        UnsupportedOperatorError: for operators that have no place in a network to train.
        ConfigError: when nothing says which network weights are of, or one that cannot be imported, or nothing tells
            the file's classes, or their list or map does not fit it.
        DataError: when the pictures cannot be read.
        OutputError: when the checkpoint cannot be written.
        MissingDependencyError: without LiteRT.
    """
    wanted = None if request.classes is None else read_class_list(request.classes)
    progress.begin(f"reading {request.file.name}")
    foreign = _read_tflite(request) if request.source is None else _read_weights(request)
    old = _names(request, foreign, wanted)
    new = wanted or _own_classes(request, foreign, old)
    agreement = _agreement(request, foreign.checkpoint, progress)
    checkpoint, rows = _with_classes(foreign.checkpoint, old, new)
    if request.decoder:
        checkpoint, rows = with_decoder(checkpoint), Rows((None,) * len(new.classes))
    progress.begin(f"writing {request.output.name}")
    save_checkpoint(request.output, checkpoint.build(), checkpoint.info)
    told = [c.name for c in new.classes]
    return Imported(
        request.output,
        checkpoint.info,
        Origin(**checkpoint.info.provenance[IMPORTED]),
        tuple(name for name, source in zip(told, rows.sources, strict=True) if source is None),
        tuple(dict.fromkeys(name for name in old if name is not None and name not in told)),
        foreign.beside,
        agreement,
    )


def _read_tflite(request: ImportRequest) -> ForeignNetwork:
    network = read_network(request.file, request.normalisation)
    check_finite(network.tensors, request.file)
    digest = file_sha256(request.file)
    own, count = network.description, len(network.tensors[f"{CLASSIFIER}.weight"])
    licence = request.licence or (own.licence if own else "") or UNKNOWN
    info = CheckpointInfo(
        spec=graph_of(network.operators),
        classes=_coloured(f"class {i}" for i in range(count)),
        ignore_index=None,
        normalisation=network.normalisation,
        size_hw=network.size_hw,
        licence=licence,
        provenance={
            IMPORTED: Origin(printable(request.file.name), digest, licence).to_json(),
            **carried(origins_of(own.provenance if own else {})),
        },
        ranges=network.ranges or None,
    )
    named = ClassList(own.classes, own.ignore_index) if own else None
    return ForeignNetwork(Checkpoint(info, network.tensors, request.file, digest), named)


def _read_weights(request: ImportRequest) -> ForeignNetwork:
    weights = read_weights(
        request.file,
        find_source(request.source),
        request.spec,
        allow_pickle=request.allow_pickle,
        unsafe_pickle=request.unsafe_pickle,
    )
    told, count = weights.told, len(weights.tensors[f"{CLASSIFIER}.bias"])
    digest = file_sha256(request.file)
    licence = request.licence or UNKNOWN
    info = CheckpointInfo(
        spec=told.spec,
        classes=_coloured(f"class {i}" for i in range(count)),
        ignore_index=None,
        normalisation=request.normalisation or told.normalisation,
        size_hw=request.size_hw or _SIZE_HW,
        licence=licence,
        provenance={IMPORTED: Origin(printable(request.file.name), digest, licence).to_json()},
    )
    own = None if told.names is None else ClassList(_coloured(told.names))
    checkpoint = Checkpoint(info, weights.tensors, request.file, digest)
    return ForeignNetwork(checkpoint, own, weights.dropped)


def _coloured(names: Iterable[str]) -> tuple[ClassInfo, ...]:
    return tuple(ClassInfo(name, voc_colour(i)) for i, name in enumerate(names))


def _check_kind(request: ImportRequest) -> None:
    """Refuse a file that nothing reads, and what was said that nobody would look at."""
    if request.source is not None:
        with checking("source"):
            find_source(request.source)
        if request.decoder:
            with checking("decoder"):
                raise ConfigError(
                    "a decoder came with a source, whose network may have one already; a .tflite file was expected; "
                    "leave it out"
                )
        if request.data is not None:
            raise ConfigError(
                f"data came with weights from {request.source}, which nothing here runs as they are; pictures are for "
                ".tflite files; leave it out"
            )
        return
    if request.file.suffix.lower() != ".tflite":
        raise ConfigError(
            f"{request.file} ends in {request.file.suffix or 'nothing'!r}; .tflite was expected, or the source of its "
            f"weights ({', '.join(SOURCES)}); pass such a file, or name the source"
        )
    for name in ("spec", "size_hw"):
        if getattr(request, name) is not None:
            with checking(name):
                raise ConfigError(
                    f"{name} came with no source; a .tflite file says that itself; leave it out, or name the source"
                )


def _check_terms(licence: str | None) -> None:
    if licence is not None and not (licence.strip() and licence.isprintable()):
        raise ConfigError(
            f"licence came as {licence!r:.60}; the terms as one line of text were expected; leave it out where they "
            "are not known"
        )


def _names(
    request: ImportRequest, foreign: ForeignNetwork, wanted: ClassList | None
) -> tuple[str | None, ...]:
    """Return what each of the file's ids means: by the class map, the file, or a list that fits it."""
    count = len(foreign.checkpoint.info.classes)
    if request.class_map is not None:
        told = read_class_map(request.class_map)
        if max(told) >= count:
            raise ConfigError(
                f"the class map lists id {max(told)}, {request.file} has {count} classes; ids from 0 to {count - 1} "
                "were expected; list the ids that the file gives"
            )
        return tuple(told.get(index) for index in range(count))
    if foreign.own is not None and len(foreign.own.classes) <= count:
        names = tuple(c.name for c in foreign.own.classes)
        return names + (None,) * (count - len(names))  # an export may fill classes up
    if wanted is not None and len(wanted.classes) == count:
        return tuple(c.name for c in wanted.classes)
    came = "no list of them came" if wanted is None else f"{len(wanted.classes)} came"
    raise ConfigError(
        f"{request.file} scores {count} classes and names none, and {came}; {count} names in the order of its ids, or "
        'a class map, a TOML file with a table [map] of lines such as 0 = "road", were expected; pass one of them'
    )


def _own_classes(
    request: ImportRequest, foreign: ForeignNetwork, names: Sequence[str | None]
) -> ClassList:
    """Return the file's classes where no others are wanted: as it says, or what the class map calls them."""
    if request.class_map is None and foreign.own is not None:
        return foreign.own
    distinct = dict.fromkeys(name for name in names if name is not None)
    return ClassList(_coloured(distinct))


def _with_classes(
    checkpoint: Checkpoint, old: Sequence[str | None], new: ClassList
) -> tuple[Checkpoint, Rows]:
    """Return the checkpoint with other classes, and where their rows come from; a range is that of the old scores."""
    rows = Rows.by_name(old, [c.name for c in new.classes])
    info = replace(checkpoint.info, classes=new.classes, ignore_index=new.ignore_index)
    if rows.are_those_of(len(old)):
        return replace(checkpoint, info=info), rows
    ranges = {path: each for path, each in (info.ranges or {}).items() if path != CLASSIFIER}
    spec = info.spec
    if isinstance(spec, GraphSpec):
        spec = spec.with_num_classes(len(new.classes))
    info = replace(info, spec=spec, ranges=ranges or None)
    replaced = {
        name: rows.take(checkpoint.tensors[name])
        for name in (f"{CLASSIFIER}.weight", f"{CLASSIFIER}.bias")
    }
    return replace(checkpoint, info=info, tensors={**checkpoint.tensors, **replaced}), rows


def _agreement(
    request: ImportRequest, checkpoint: Checkpoint, progress: Progress
) -> FileAgreement | None:
    """Return how the network compares with its file on the pictures that were given."""
    if request.data is None:
        return None
    folder = open_dataset(request.data, request.split, max_pixels=request.max_pixels)
    source = folder if request.limit is None else FirstSamples(folder, request.limit)
    size_hw = checkpoint.info.size_hw
    pictures = [resize_image(source[i].image_hwc, size_hw) for i in range(len(source))]
    return measure_agreement(checkpoint, request.file, pictures, request.normalisation, progress)
