"""The shapes of recipes: frozen models with their defaults and bounds; `recipes.py` reads them."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from edge_deeplab.errors import unknown_choice
from edge_deeplab.sparsity_pattern import parse_sparsity
from edge_deeplab.targets import STABLE, TargetName

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Ratio = Annotated[float, Field(gt=0, lt=1)]
Method = Literal["adamw", "sgd"]
"""What moves the weights; the papers' is SGD with momentum."""

Weighting = Literal["power", "log"]
"""How the weight of a class follows from how often it is seen (`training.loss.class_weights`)."""

Importance = Literal["taylor", "magnitude", "batch-norm", "random"]
"""What a channel is worth by (`quantization.pruning.importance`)."""

Allotment = Literal["importance", "sensitivity", "uniform"]
"""How channels to remove are shared out among the layers (`quantization.pruning.allot`)."""


def _without_folders(split: str) -> str:
    if Path(split).is_absolute() or ".." in Path(split).parts:
        raise ValueError("a split is a name in the data folder, and this leads out of it")
    return split


def _none_is_empty(split: str | None) -> str:
    """Return a split's name; nothing where there is none, because a recipe's file has no other way to say it."""
    return split or ""


SplitName = Annotated[str, AfterValidator(_without_folders)]
"""A part of the data folder; a recipe reads no other folder than the one that was named."""

Estimator = Literal["min-max", "mean-min-max", "percentile", "mse"]
"""How a range follows from the values seen in calibration."""

ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)


LONGEST_CROP_SIDE = 352
"""Crops are no larger where a recipe does not say so: time and memory grow with them."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _sparsity(text: str) -> str:
    parse_sparsity(text)
    return text


class ModelSection(_Section):
    """Which network is trained.

    Args:
        name: as `edge-deeplab models` lists it.
        output_stride: of the backbone; a smaller one keeps more detail and costs more; None: the model's own.
        separable: whether ASPP and decoder are made of depthwise separable convolutions; None: as the backbone is.
        pretrained: start the backbone from ImageNet's weights.
        options: other values for the fields of its spec, by their names (`models.spec`).
    """

    name: str = "deeplabv3plus_efficientnet_lite0"
    output_stride: Literal[8, 16, 32] | None = None
    separable: bool | None = None
    pretrained: bool = True
    options: dict[str, Any] = {}


class DataSection(_Section):
    """What it is trained on and how crops are drawn.

    Args:
        splits: of the data folder, all of which are trained on; one at least.
        validation_split: what decides which epoch is the best; "" leaves that to the last.
        size_hw: pixels that the checkpoint is evaluated and exported at; `prune` and `qat` keep the checkpoint's own.
        crop_hw: pixels of a training crop; None: of the checkpoint's size, at most `LONGEST_CROP_SIDE` a side.
        scale: range that an image is enlarged by before a crop is cut.
        flip: probability of a mirrored crop.
        jitter: strength of random brightness, contrast, saturation and gamma; 0 turns them off.
        focus: probability that a crop is placed around a pixel of a class drawn uniformly from those present.
        mix: probability that half of the classes of another crop are pasted into one (ClassMix, arXiv 2007.07936).
        repeat: times that an epoch shows every image; between epochs a run saves its state and starts its workers,
            which on a GPU takes as long as a short epoch.
        rendered_share: fraction of an epoch's crops that come from rendered street scenes with CamVid's classes.
        rendered_scenes: how many different ones.
    """

    splits: Annotated[tuple[SplitName, ...], Field(min_length=1)] = ("train",)
    validation_split: Annotated[SplitName | None, AfterValidator(_none_is_empty)] = "val"
    size_hw: tuple[int, int] = (368, 480)
    crop_hw: tuple[int, int] | None = None
    scale: tuple[Positive, Positive] = (0.5, 2.0)
    flip: Fraction = 0.5
    jitter: Fraction = 0.4
    focus: Fraction = 0.5
    mix: Fraction = 0.0
    repeat: Annotated[int, Field(ge=1)] = 1
    rendered_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rendered_scenes: Annotated[int, Field(ge=1, le=100_000)] = 256

    def crop_for(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the pixels of a training crop for a checkpoint of a size."""
        height, width = (min(side, LONGEST_CROP_SIDE) for side in size_hw)
        return self.crop_hw or (height, width)


class OptimiserSection(_Section):
    """AdamW or SGD under the poly schedule (DeepLabV3+ section 4), with a slower backbone.

    Args:
        method: AdamW, or SGD with momentum.
        momentum: of SGD.
        epochs: times that the run goes over its images (`data.repeat` times each).
        validate_every: epochs between scores on the validation split.
        batch_size: crops a step, over all processes together.
        accumulate: parts, one after the other, that each process takes its crops of a step in: less memory.
            Cross-entropy is the whole step's; batch norm, dropout, Lovasz-Softmax and `hardest` see a part at a time.
        freeze_batch_norm: whether batch norm keeps its statistics, scale and shift (DeepLabV3 section 4.1, in the stage
            at output stride 8).
        learning_rate: of ASPP, decoder and classifier, at the start.
        backbone_learning_rate: of the backbone, at the start.
        relative_rates: with AdamW, whether both rates are shares of a tensor's own size (its root mean square) instead;
            None: of a network without batch norm, whose weights differ by hundreds between layers.
        weight_decay: of matrices; batch norm and biases have none.
        power: exponent of the schedule's decay.
        warmup_steps: steps in which the rate rises from near zero.
        ema_decay: of the moving average that is evaluated and kept; 0 keeps the weights themselves.
        clip_norm: largest norm of a step's gradient.
        precision: what convolutions are computed in.
    """

    method: Method = "adamw"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    epochs: Annotated[int, Field(ge=1)] = 50
    validate_every: Annotated[int, Field(ge=1)] = 5
    batch_size: Annotated[int, Field(ge=1)] = 8
    accumulate: Annotated[int, Field(ge=1)] = 1
    freeze_batch_norm: bool = False
    learning_rate: Positive = 1e-3
    backbone_learning_rate: Positive = 3e-4
    relative_rates: bool | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    power: Positive = 0.9
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998
    clip_norm: Positive = 5.0
    precision: Literal["bf16", "fp32"] = "bf16"

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        """Refuse rates that would not be what they are called: SGD's step grows with the gradient."""
        if self.relative_rates and self.method == "sgd":
            raise ValueError(
                "relative_rates are of adamw, whose step has the rate's size; with sgd leave them out"
            )
        return self


class LossSection(_Section):
    """Cross-entropy, weighted towards rare classes, and Lovasz-Softmax.

    Args:
        class_weights: of cross-entropy: a power of the inverse class frequency, or ENet's 1 / ln(1.02 + frequency).
        class_balance: that power; 0 weighs all alike.
        hardest: share of a part's pixels, those of the highest loss, that cross-entropy is taken over (online hard
            example mining); 1 takes all.
        lovasz: weight of Lovasz-Softmax, which optimises mIoU itself, beside cross-entropy.
    """

    class_weights: Weighting = "power"
    class_balance: Fraction = 0.3
    hardest: Annotated[float, Field(gt=0, le=1)] = 1.0
    lovasz: Annotated[float, Field(ge=0)] = 0.5


class TeacherSection(_Section):
    """How far a teacher is followed, where `train` is given one.

    Args:
        weight: of the teacher's opinion against that of the labels.
        temperature: that both opinions are softened by.
        scales: that it sees each crop at; the class probabilities are averaged.
        flip: whether it sees the mirrored crop too.
    """

    weight: Fraction = 0.5
    temperature: Positive = 1.0
    scales: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1.0,)
    flip: bool = False


class Recipe(_Section):
    """One training run; every key has a default, so a recipe file says only what it changes.

    Args:
        seed: of everything random.
        licence: that the checkpoint carries; "" takes the data set's. `prune` and `qat` keep the checkpoint's own.
        model: not read by `prune` and `qat`.
        data: what it is trained on.
        optimiser: how.
        loss: what is minimised.
        teacher: not read by `prune` and `qat`, whose teacher is the checkpoint that they start from.
    """

    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    licence: str = ""
    model: ModelSection = ModelSection()
    data: DataSection = DataSection()
    optimiser: OptimiserSection = OptimiserSection()
    loss: LossSection = LossSection()
    teacher: TeacherSection = TeacherSection()

    def with_crops_for(self, size_hw: tuple[int, int]) -> Self:
        """Return the recipe that says the size of its crops, as a run is to be repeated and resumed.

        Args:
            size_hw: of the checkpoint that it trains.
        """
        data = self.data.model_copy(update={"crop_hw": self.data.crop_for(size_hw)})
        return self.model_copy(update={"data": data})


class QatOptimiserSection(OptimiserSection):
    """Fine-tuning: few epochs at a tenth of the learning rate; 0 epochs is post-training quantization."""

    epochs: Annotated[int, Field(ge=0)] = 10
    validate_every: Annotated[int, Field(ge=1)] = 1
    learning_rate: Positive = 1e-4
    backbone_learning_rate: Positive = 1e-4
    warmup_steps: Annotated[int, Field(ge=0)] = 20


class QuantizationSection(_Section):
    """How quantizers start and are trained.

    Args:
        calibration_images: images of the first split that ranges are estimated from.
        estimator: how ranges follow from what was seen there.
        equalize: share of a channel's range that moves into the weights reading it before that; 0 moves nothing.
        statistics_epochs: share of the epochs after which batch norm's statistics are frozen.
        ranges_epochs: share of the epochs after which ranges are fixed, rounded as the files hold them.
        distill: weight of the float model's opinion against that of the labels.
        temperature: that both opinions are softened by.
    """

    calibration_images: Annotated[int, Field(ge=1)] = 64
    estimator: Estimator = "mse"
    equalize: Fraction = 0.0
    statistics_epochs: Fraction = 0.3
    ranges_epochs: Fraction = 0.6
    distill: Fraction = 0.5
    temperature: Positive = 1.0


class QatRecipe(Recipe):
    """One quantization-aware training run; the model section is not read, the checkpoint says what it is."""

    optimiser: QatOptimiserSection = QatOptimiserSection()
    quantization: QuantizationSection = QuantizationSection()


class PruneOptimiserSection(OptimiserSection):
    """Fine-tuning of a pruned network, from weights that are nearly right; 0 epochs only prunes."""

    epochs: Annotated[int, Field(ge=0)] = 20
    learning_rate: Positive = 5e-4
    backbone_learning_rate: Positive = 3e-4
    warmup_steps: Annotated[int, Field(ge=0)] = 50


class PruningSection(_Section):
    """What is removed, and how the rest is trained.

    Args:
        macs: share of the original's multiply-adds that may remain; None sets no such limit.
        params: share of its parameters that may remain.
        latency: share of its predicted latency that may remain.
        sparsity: zeros among the single weights that stay, 0.5 or 2:4 as in `export --sparsity`; training keeps them.
        runtime: target whose runtime latency is measured in, on this machine.
        importance: what a channel is worth by.
        allot: how channels to remove are shared out among the layers.
        rounds: times that it is pruned and trained; each goes a part of the way.
        round_epochs: epochs of each round but the last.
        round_to: widths are multiples of it.
        floor: share of its channels that every layer keeps.
        images: crops that importance by gradients is measured on.
        sweep_images: crops that sensitivity is measured on.
        distill: weight of the original's opinion against that of the labels.
        temperature: that both opinions are softened by.
    """

    macs: Ratio | None = None
    params: Ratio | None = None
    latency: Ratio | None = None
    sparsity: Annotated[str, AfterValidator(_sparsity)] | None = None
    runtime: Literal["tflite", "onnx"] = "tflite"
    importance: Importance = "taylor"
    allot: Allotment = "importance"
    rounds: Annotated[int, Field(ge=1)] = 1
    round_epochs: Annotated[int, Field(ge=1)] = 3
    round_to: Annotated[int, Field(ge=1)] = 8
    floor: Fraction = 0.2
    images: Annotated[int, Field(ge=1)] = 64
    sweep_images: Annotated[int, Field(ge=1)] = 4
    distill: Fraction = 0.5
    temperature: Positive = 1.0

    def budgets(self) -> dict[str, float]:
        """Return the limits that are set, by name."""
        every = {"macs": self.macs, "params": self.params, "latency": self.latency}
        return {name: ratio for name, ratio in every.items() if ratio is not None}


class PruneRecipe(Recipe):
    """One pruning run; the model section is not read, the checkpoint says what it is."""

    optimiser: PruneOptimiserSection = PruneOptimiserSection()
    pruning: PruningSection = PruningSection()


class ExportSection(_Section):
    """Which files are written of each checkpoint.

    Args:
        targets: file formats.
        precisions: fp32 and fp16 of float checkpoints, int8 of the quantized one.
        head: as `export --head`; where it is left out, each target's own default.
        profiles: devices that the files are for, as `export --profile`.
    """

    targets: Annotated[tuple[TargetName, ...], Field(min_length=1)] = STABLE
    precisions: tuple[Literal["fp32", "fp16", "int8"], ...] = ("fp32", "int8")
    head: str | None = None
    profiles: tuple[str, ...] = ()


class ParitySection(_Section):
    """What the files are scored on.

    Args:
        split: of the data folder.
        limit: only its first images.
        max_drop: largest loss of mIoU points that passes.
    """

    split: SplitName = "test"
    limit: Annotated[int, Field(ge=1)] | None = None
    max_drop: Annotated[float, Field(ge=0)] = 0.5


class BenchSection(_Section):
    """How the files are timed: CPU threads, and how often each file runs."""

    threads: Annotated[int, Field(ge=1)] = 1
    rounds: Annotated[int, Field(ge=1)] = 30


class CompressRecipe(_Section):
    """The chain from a float checkpoint to measured files; a section that is left out leaves its steps out."""

    prune: PruneRecipe | None = None
    qat: QatRecipe | None = None
    export: ExportSection | None = None
    parity: ParitySection | None = None
    bench: BenchSection | None = None


def check_estimator(name: str) -> None:
    """Check the name of a range estimator.

    Raises:
        ConfigError: when there is none of that name; the choices are listed.
    """
    if name not in ESTIMATORS:
        raise unknown_choice("estimator", name, ESTIMATORS)
