"""Checkpoints of a page: which ones it is about, which is the reference, and what each one is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_deeplab.description import Description
from edge_deeplab.documents import is_finite
from edge_deeplab.errors import EdgeDeepLabError
from edge_deeplab.evaluation.cost import count_network
from edge_deeplab.evaluation.reference import find_reference
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.models.origins import origins_of
from edge_deeplab.models.shipped import resolve_checkpoint
from edge_deeplab.models.spec import ModelSpec
from edge_deeplab.report.known import ModelCard
from edge_deeplab.report.lineage import Detail, ancestors_of
from edge_deeplab.text import size_text


class Checkpoints:
    """The checkpoints that a page is about, each loaded once, in the order they are first met."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._loaded: dict[str, Checkpoint] = {}

    def __iter__(self) -> Any:
        return iter(self._loaded.values())

    def add(self, path: Path) -> Checkpoint | None:
        """Load a checkpoint; one that cannot be read is a note, and None."""
        try:
            checkpoint = load_checkpoint(path)
        except EdgeDeepLabError as error:
            self.notes.append(str(error))
            return None
        return self._loaded.setdefault(checkpoint.sha256, checkpoint)

    def find(self, files: Mapping[Path, Description]) -> None:
        """Load what files say they were exported from, where it is shipped or lies beside them."""
        for path, description in files.items():
            if description.checkpoint_sha256 in self._loaded:
                continue
            try:
                self.add(find_reference(None, {path: description}))
            except EdgeDeepLabError as error:
                self.notes.append(str(error))

    def reference(self, named: str | None, *, given: Sequence[Path]) -> Checkpoint | None:
        """Return what files are held against.

        Args:
            named: a path or shipped name; None chooses among those that are loaded: the one that most others start
                from, a float one before a quantized one.
            given: checkpoints that were named beside the files.

        Raises:
            CheckpointError: when the named one is not found or cannot be read.
        """
        if named is not None:
            checkpoint = load_checkpoint(resolve_checkpoint(named))
            return self._loaded.setdefault(checkpoint.sha256, checkpoint)
        roots = [ancestors_of(c) for c in self._loaded.values()]
        return max(
            self._loaded.values(),
            key=lambda c: (
                sum(c.sha256 in root for root in roots),
                c.info.quantization is None,
                c.path in given,
            ),
            default=None,
        )


def describe_checkpoint(checkpoint: Checkpoint) -> ModelCard:
    """Return what a checkpoint is."""
    info = checkpoint.info
    facts = [Detail("network", info.model), *_spec_facts(info.spec)]
    facts += _cost_facts(checkpoint)
    mean, std = info.normalisation.mean, info.normalisation.std
    facts += [
        Detail("input", f"{size_text(info.size_hw)} RGB, mean {_triple(mean)}, std {_triple(std)}"),
        Detail("numbers", "float" if info.quantization is None else "int8, quantization-aware"),
        *([Detail("sparsity", info.sparsity)] if info.sparsity else []),
        Detail("licence", info.licence or "not told"),
        *(Detail("weights of", str(origin)) for origin in origins_of(info.provenance)),
        Detail("sha256", checkpoint.sha256),
    ]
    return ModelCard(checkpoint.name, tuple(facts), info.classes, tuple(_results(info.results)))


def _spec_facts(spec: Any) -> list[Detail]:
    if not isinstance(spec, ModelSpec):
        return [Detail("kind", "imported")]
    facts = [Detail("backbone", f"{spec.backbone}, output stride {spec.output_stride}")]
    if spec.aspp is not None:
        rates = ", ".join(map(str, spec.aspp.rates)) or "none"
        facts.append(
            Detail("ASPP", f"rates {rates}; {spec.aspp.convolution}, {spec.aspp.channels} channels")
        )
    if spec.summed is not None:
        facts.append(
            Detail("head", f"summed branches, rates {', '.join(map(str, spec.summed.rates))}")
        )
    if spec.decoder is not None:
        told = f"{spec.decoder.blocks} {spec.decoder.convolution} 3x3, {spec.decoder.channels} channels"
        facts.append(Detail("decoder", told))
    return facts


def _cost_facts(checkpoint: Checkpoint) -> list[Detail]:
    try:
        cost = count_network(checkpoint.build(), checkpoint.info.size_hw)
    except (EdgeDeepLabError, RuntimeError):
        return []  # a network that cannot be counted on shapes alone
    return [
        Detail("parameters", f"{cost.parameters / 1e6:.2f} M"),
        Detail(
            "multiply-adds",
            f"{cost.multiply_adds / 1e9:.2f} G at {size_text(checkpoint.info.size_hw)}",
        ),
    ]


def _triple(values: Sequence[float]) -> str:
    return "/".join(f"{value:.4g}" for value in values)


def _results(told: Mapping[str, Any]) -> list[Detail]:
    found = []
    for name, scores in list(told.items())[:8]:
        miou = scores.get("miou") if isinstance(scores, Mapping) else None
        if is_finite(miou):
            images = scores.get("images")
            on = f" on {images} images" if isinstance(images, int) else ""
            found.append(Detail(str(name), f"{miou:.2f} mIoU{on}"))
    return found
