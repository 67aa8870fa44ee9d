"""The checkpoint: one safetensors file whose metadata holds one JSON document saying what the tensors are.

Pickle is never loaded here; `edge_deeplab.models.pickle_import` does it on request. Writing goes
through a temporary sibling and a rename, so a full disk or a kill never destroys an earlier file.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from edge_deeplab.description import (
    ClassInfo,
    Description,
    Head,
    Normalisation,
    classes_of,
    ignore_index_of,
    normalisation_of,
    size_of,
)
from edge_deeplab.documents import Fields, parse_json
from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.files import BEST_FILE, LAST_FILE, file_sha256, write_atomically
from edge_deeplab.models.backbones import current_name
from edge_deeplab.models.deeplab import AnySpec, build_model
from edge_deeplab.models.family import FAMILY, find_spec
from edge_deeplab.models.fitting import check_sizes, check_tensors, fit_pruned
from edge_deeplab.models.operator_graph import GraphSpec, OperatorGraph, read_graph
from edge_deeplab.models.quantization import (
    Quantization,
    is_quantizer_tensor,
    read_quantization,
    restore_weights,
    weight_integers,
)
from edge_deeplab.models.spec import OUTPUT_STRIDES, ModelSpec, read_spec
from edge_deeplab.models.widths import PROBE_HW
from edge_deeplab.models.wrapped_spec import (
    WrappedSpec,
    check_is_that_of,
    check_known,
    read_wrapped,
    remember,
)
from edge_deeplab.targets import TargetName
from edge_deeplab.text import printable

FORMAT = "edge-deeplab-checkpoint/2"
_NAMED_FORMAT = "edge-deeplab-checkpoint/1"
"""The earlier one, which names a model and what it was built with instead of a spec."""

METADATA_KEY = "edge_deeplab"
_OPTIONAL_TABLES: Mapping[str, Any] = {
    "provenance": {},
    "quantization": None,
    "pruning": None,
    "ranges": None,
    "results": {},
}


@dataclass(frozen=True)
class CheckpointInfo:
    """Everything a checkpoint says besides its tensors.

    Args:
        spec: what the network consists of.
        classes: classes in id order.
        ignore_index: mask value that is not scored, or None.
        normalisation: constants in 0..255 pixel units.
        size_hw: height and width it was trained for, the default of evaluation and export.
        licence: licence of the weights.
        provenance: recipe, data sets, seed, package versions.
        quantization: activation quantizers, as `Quantization.to_document` gives them; None for a float checkpoint.
        pruning: lineage of a pruned checkpoint: `parent` and `parent_sha256`, `budgets` asked and met, and what was
            `removed` by module path; None for full widths. The widths themselves are those of the tensors.
        sparsity: which single weights are zero for a file to leave out, as `parse_sparsity` reads it, or None.
        ranges: by path of an operator, [smallest, largest] value of its result in the file that the weights were
            imported from; None once the weights are others.
        results: measured scores, for example {"CamVid-11 test": {"miou": 66.0, "size_hw": [368, 480]}}.
    """

    spec: AnySpec
    classes: tuple[ClassInfo, ...]
    ignore_index: int | None
    normalisation: Normalisation
    size_hw: tuple[int, int]
    licence: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    quantization: Mapping[str, Any] | None = None
    pruning: Mapping[str, Any] | None = None
    sparsity: str | None = None
    ranges: Mapping[str, Any] | None = None
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The network's name."""
        return self.spec.name

    @property
    def is_graph(self) -> bool:
        """Whether its network is an imported graph, which has a good size of its own."""
        return isinstance(self.spec, GraphSpec)

    @property
    def probe_hw(self) -> tuple[int, int]:
        """Height and width at which the network is looked at where size does not matter; one's own may have one."""
        return self.size_hw if isinstance(self.spec, WrappedSpec) else PROBE_HW

    @property
    def is_imported(self) -> bool:
        """Whether its network is somebody else's, or the user's own, which has no name here."""
        return not isinstance(self.spec, ModelSpec) or self.spec.name not in FAMILY


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file in memory.

    Args:
        info: what it says of itself.
        tensors: the model's state, by name.
        path: where it was read from.
        sha256: hash of the file.
    """

    info: CheckpointInfo
    tensors: Mapping[str, torch.Tensor]
    path: Path
    sha256: str

    @property
    def name(self) -> str:
        """What artifacts name as their checkpoint: the file's name without its ending, or its run's folder's name."""
        in_run = self.path.name in (BEST_FILE, LAST_FILE)
        return (in_run and self.path.resolve().parent.name) or self.path.stem

    @property
    def quantization(self) -> Quantization | None:
        """The quantizers of a quantized checkpoint; None for a float one.

        Raises:
            CheckpointError: when what it says of them cannot be read.
        """
        if self.info.quantization is None:
            return None
        try:
            return read_quantization(self.info.quantization, self.tensors)
        except ValueError as error:
            raise CheckpointError(
                f"what {self.path} says of its quantizers cannot be read ({error}); scales and zero points as "
                "edge-deeplab qat writes them were expected; quantize the float checkpoint again"
            ) from error

    def with_weights(self, model: torch.nn.Module) -> "Checkpoint":
        """Return the checkpoint with the state of a model of its spec, in memory; it keeps the file's name and hash."""
        return replace(self, tensors=dict(model.state_dict()))

    def with_quantization(self, quantization: Quantization) -> "Checkpoint":
        """Return the checkpoint with quantizers, in memory; it keeps the name and hash of the float file."""
        info = replace(self.info, quantization=quantization.to_document())
        return replace(self, info=info, tensors={**self.tensors, **quantization.to_tensors()})

    def describe(
        self,
        *,
        target: TargetName | None,
        precision: str,
        head: Head,
        size_hw: tuple[int, int],
        provenance: Mapping[str, Any],
    ) -> Description:
        """Return what a runnable form of this checkpoint says of itself; arguments as for `Description`."""
        return Description(
            model=self.info.model,
            checkpoint=printable(self.name),
            checkpoint_sha256=self.sha256,
            target=target,
            precision=precision,
            head=head,
            size_hw=size_hw,
            classes=self.info.classes,
            ignore_index=self.info.ignore_index,
            normalisation=self.info.normalisation,
            licence=self.info.licence,
            provenance=provenance,
        )

    def build(self, *, output_stride: int | None = None) -> torch.nn.Module:
        """Return the model in float32 and evaluation mode; of a quantized checkpoint, with its float weights.

        Args:
            output_stride: another stride than it was trained with (same weights, other atrous rates).

        Raises:
            CheckpointError: when tensors are missing, left over or of another shape.
            ConfigError: when a stride is asked for and the network is a graph, which has one.
        """
        spec = self.info.spec if output_stride is None else self.info.spec.at_stride(output_stride)
        with torch.device("meta" if self.info.is_graph else "cpu"):  # until its sizes are checked
            model = build_model(spec, len(self.info.classes))
        tensors = {name: t for name, t in self.tensors.items() if not is_quantizer_tensor(name)}
        if self.info.pruning is not None:
            fit_pruned(model.eval(), tensors, self.path, self.info.probe_hw)
        check_tensors(model.state_dict(), tensors, self.path)
        if isinstance(model, OperatorGraph):
            check_sizes(model, self.info.size_hw, self.path)
            model.to_empty(device="cpu")
        model.load_state_dict(
            {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
        )
        return model.eval()


def save_checkpoint(
    path: Path,
    model: torch.nn.Module,
    info: CheckpointInfo,
    *,
    quantization: Quantization | None = None,
    half: bool = False,
) -> None:
    """Write a checkpoint atomically.

    Args:
        path: file to write; replaced only once the new one is complete.
        model: its state is stored, moved to the CPU.
        info: what the tensors are.
        quantization: quantizers that belong to the weights.
        half: store the model's floating-point tensors as float16, and weights that have quantizers as their integers
            (the rounded weights are then the reference). Scales of quantizers stay float32.
    """
    write_atomically(path, _to_bytes(model, info, quantization, half))


def checkpoint_of(model: torch.nn.Module, info: CheckpointInfo) -> Checkpoint:
    """Return a model as a checkpoint in memory, which lies in no file: its path is what it would be called.

    Args:
        model: its state is copied, on the CPU.
        info: what the tensors are.
    """
    content = _to_bytes(model, info)
    digest = hashlib.sha256(content).hexdigest()
    return Checkpoint(info, load(content), Path(f"{info.spec.name}.safetensors"), digest)


def _to_bytes(
    model: torch.nn.Module,
    info: CheckpointInfo,
    quantization: Quantization | None = None,
    half: bool = False,
) -> bytes:
    """Return what a checkpoint file holds; arguments as for `save_checkpoint`."""
    tensors = {  # cloned, because a module may hold one tensor under two names, which a file may not
        name: (t.half() if half and t.is_floating_point() else t)
        .detach()
        .cpu()
        .clone()
        .contiguous()
        for name, t in model.state_dict().items()
    }
    if quantization is not None:
        if half:
            tensors |= weight_integers(model.state_dict(), quantization)
        tensors |= {n: t.cpu().contiguous() for n, t in quantization.to_tensors().items()}
        info = replace(info, quantization=quantization.to_document())
    document = json.dumps({"format": FORMAT, **asdict(info)}, sort_keys=True)
    return save(tensors, metadata={METADATA_KEY: document})


def load_checkpoint(path: Path, module: torch.nn.Module | None = None) -> Checkpoint:
    """Read a checkpoint file.

    Args:
        path: the file.
        module: what its network is, where that is a wrapped one; kept for this process.

    Raises:
        CheckpointError: when it is absent, truncated, not a checkpoint of this project, damaged, or holds weights that
            are not finite, or is of a module that was not wrapped in this process.
        ConfigError: when `module` is another one than the checkpoint's.
    """
    if not path.is_file():
        raise CheckpointError(
            f"checkpoint {path} does not exist; "
            "pass a .safetensors file or a shipped name (edge-deeplab models lists them)"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            stored = {current_name(n): file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
            tensors = restore_weights(stored, path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error}); it may be truncated, or be a pickle "
            "(evaluate and export read the tensors of those with allow_pickle); copy it again"
        ) from error
    digest = file_sha256(path)
    checkpoint = Checkpoint(_parse_info(metadata, path), tensors, path, digest)
    spec = checkpoint.info.spec
    if isinstance(spec, WrappedSpec):
        if module is not None:
            check_is_that_of(module, spec, checkpoint.info.size_hw)
            remember(module, spec)
        check_known(spec, path)
    check_finite(tensors, path)
    _ = checkpoint.quantization  # said here if it cannot be read, and not after hours of work
    return checkpoint


def check_finite(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Check that tensors hold numbers: with one nan a network still gives class ids, all of one class.

    Raises:
        CheckpointError: naming the first that does not.
    """
    for name, tensor in sorted(tensors.items()):
        if not tensor.is_floating_point():
            continue
        strange = int((~torch.isfinite(tensor.float())).sum())
        if strange:
            raise CheckpointError(
                f"{path} holds {strange} values that are nan or infinite in tensor {name}; finite weights were "
                "expected; take an earlier checkpoint, or train again at a lower rate"
            )


def _parse_info(metadata: Mapping[str, str], path: Path) -> CheckpointInfo:
    if METADATA_KEY not in metadata:
        raise CheckpointError(
            f"{path} holds tensors but does not say which model they are; metadata {METADATA_KEY!r} was expected; "
            "use a checkpoint written by edge-deeplab train"
        )
    try:
        return _read_info(Fields(parse_json(metadata[METADATA_KEY])))
    except (ValueError, ConfigError) as error:
        raise CheckpointError(
            f"the metadata of {path} cannot be read ({error}); format {FORMAT} was expected; "
            "write the checkpoint again with this version"
        ) from error


def _read_info(document: Fields) -> CheckpointInfo:
    format = document.choice("format", [FORMAT, _NAMED_FORMAT])
    network = {"spec"} if format == FORMAT else {"model", "arguments"}
    others = {field.name for field in fields(CheckpointInfo)} - {"spec"}
    document.only({"format", *network, *others})
    _check_ranges(document)
    classes = classes_of(document)
    return CheckpointInfo(
        spec=_read_spec(document, len(classes)) if format == FORMAT else _named_spec(document),
        classes=classes,
        ignore_index=ignore_index_of(document),
        normalisation=normalisation_of(document),
        size_hw=size_of(document),
        licence=document.prose("licence") if document.has("licence") else "",
        sparsity=document.text("sparsity") if document.has("sparsity") else None,
        **{
            key: document.table(key) if document.has(key) else default
            for key, default in _OPTIONAL_TABLES.items()
        },
    )


def _read_spec(document: Fields, num_classes: int) -> AnySpec:
    """Return what a document says of its network."""
    spec = document.fields("spec")
    if spec.get("factory") == GraphSpec.factory:
        return read_graph(spec, num_classes)
    if spec.get("factory") == WrappedSpec.factory:
        return read_wrapped(document.get("spec")).with_num_classes(num_classes)
    return read_spec(document.get("spec"))


def _named_spec(document: Fields) -> ModelSpec:
    """Return the spec of a document of the earlier format."""
    arguments = document.fields("arguments")
    choices = {"output_stride": OUTPUT_STRIDES, "separable": (True, False)}
    arguments.only(choices)
    options = {key: arguments.choice(key, c) for key, c in choices.items() if arguments.has(key)}
    return find_spec(document.text("model")).with_options(options)


def _check_ranges(document: Fields) -> None:
    """Check that ranges, where there are some, are two numbers each that hold 0 between them."""
    if document.has("ranges"):
        ranges = document.fields("ranges")
        for path in document.table("ranges"):
            low, high = ranges.numbers(path, 2)
            if not low <= 0 <= high or low == high:
                raise ValueError(f"the range of {path!r} is {low} to {high}, which does not hold 0")
