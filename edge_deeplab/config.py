"""Training recipes: frozen models read from TOML; an unknown key names the closest known one."""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_deeplab.errors import ConfigError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSection(_Section):
    """Which network is trained."""

    name: str = "deeplabv3plus_efficientnet_lite0"
    output_stride: Literal[8, 16, 32] = 16
    separable: bool | None = None
    pretrained: bool = True


class DataSection(_Section):
    """What it is trained on and how crops are drawn."""

    splits: tuple[str, ...] = ("train",)
    validation_split: str | None = "val"
    size_hw: tuple[int, int] = (368, 480)
    crop_hw: tuple[int, int] = (352, 352)
    scale: tuple[Positive, Positive] = (0.5, 2.0)
    flip: Fraction = 0.5
    jitter: Fraction = 0.4
    focus: Fraction = 0.5
    rendered_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rendered_scenes: Annotated[int, Field(ge=1)] = 256


class OptimiserSection(_Section):
    """AdamW under the poly schedule (DeepLabV3+ section 4), with a slower backbone."""

    epochs: Annotated[int, Field(ge=1)] = 50
    validate_every: Annotated[int, Field(ge=1)] = 5
    batch_size: Annotated[int, Field(ge=2)] = 8
    learning_rate: Positive = 1e-3
    backbone_learning_rate: Positive = 3e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    power: Positive = 0.9
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998
    clip_norm: Positive = 5.0
    precision: Literal["bf16", "fp32"] = "bf16"


class LossSection(_Section):
    """Cross-entropy, weighted towards rare classes, and Lovasz-Softmax."""

    class_balance: Fraction = 0.3
    lovasz: Annotated[float, Field(ge=0)] = 0.5


class Recipe(_Section):
    """One training run; every key has a default, so a recipe file says only what it changes."""

    seed: Annotated[int, Field(ge=0)] = 0
    licence: str = ""
    model: ModelSection = ModelSection()
    data: DataSection = DataSection()
    optimiser: OptimiserSection = OptimiserSection()
    loss: LossSection = LossSection()


def load_recipe(path: Path | None) -> Recipe:
    """Read a recipe; None gives the defaults.

    Raises:
        ConfigError: when the file is absent, no TOML, or holds an unknown key or impossible value.
    """
    if path is None:
        return Recipe()
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(
            f"recipe {path} does not exist; pass a TOML file (recipes/ has some)"
        ) from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"recipe {path} is not readable TOML ({error}); mend it") from error
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"recipe {path}: {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{where} came as {problem['input']!r}; {problem['msg'].lower()}"
    *section, key = problem["loc"]
    known = list(_fields_at([str(s) for s in section]))
    close = get_close_matches(str(key), known, n=1)
    hint = f"did you mean {close[0]!r}" if close else f"known are: {', '.join(known)}"
    return f"unknown key {where!r}; {hint}?" if close else f"unknown key {where!r}; {hint}"


def _fields_at(section: list[str]) -> dict[str, Any]:
    model: type[BaseModel] = Recipe
    for name in section:
        model = type(getattr(model(), name))
    return model.model_fields
