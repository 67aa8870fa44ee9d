"""Every operator against coremltools' own inference of its value and shape, over seeded cases."""

from collections.abc import Iterator

import numpy as np
import pytest

from edge_deeplab.converters.noise import quietly
from edge_deeplab.runtimes.mil.operators import OPERATORS
from tests.runtimes.mil.inference import Array, Operation, execute, infer
from tests.runtimes.mil.seeded_operations import MAKERS

pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")

SHAPE_ONLY = {
    "avg_pool",
    "batch_norm",
    "conv",
    "conv_transpose",
    "crop",
    "instance_norm",
    "max_pool",
    "pixel_shuffle",
    "resize_bilinear",
    "silu",
    "upsample_bilinear",
    "upsample_nearest_neighbor",
}
"""Operators whose value coremltools never infers; `test_operators` has their values by hand."""
CASES_EACH = 40


@pytest.fixture(scope="module", autouse=True)
def _coremltools() -> None:
    with quietly():
        pytest.importorskip("coremltools", reason="coremltools infers the values")


def cases(operator: str) -> Iterator[Operation]:
    for seed in range(CASES_EACH):
        yield MAKERS[operator](np.random.Generator(np.random.PCG64([seed, 11])))


def tolerance(expected: Array, operation: Operation) -> dict[str, float]:
    """Return how far a result may be off: not at all for integers, rounding for floats.

    coremltools infers float16 step by step in float16, which the evaluator does in float32 and rounds once.
    """
    if expected.dtype.kind != "f":
        return {"rtol": 0, "atol": 0}
    half = any(getattr(v, "dtype", None) == np.float16 for v in operation.arguments.values())
    return {"rtol": 4e-3, "atol": 4e-3} if half else {"rtol": 2e-5, "atol": 1e-6}


@pytest.mark.parametrize("operator", MAKERS)
def test_operator_gives_the_shape_and_value_that_coremltools_infers(operator: str) -> None:
    inferred = 0
    for operation in cases(operator):
        expected, result = infer(operation), execute(operation)
        assert result.shape == expected.shape, str(operation)
        if expected.value is not None:
            inferred += 1
            np.testing.assert_allclose(
                result,
                expected.value,
                **tolerance(expected.value, operation),
                err_msg=str(operation),
            )
    assert inferred == (0 if operator in SHAPE_ONLY else CASES_EACH)


def test_every_operator_is_compared() -> None:
    assert set(MAKERS) == set(OPERATORS)
