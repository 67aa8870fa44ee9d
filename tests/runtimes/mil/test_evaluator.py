"""Walking a program: precision, order, memory and taps."""

from typing import Any

import numpy as np
import pytest
import torch

from edge_deeplab.errors import UnsupportedOperatorError
from edge_deeplab.runtimes.mil.evaluator import Evaluator
from edge_deeplab.runtimes.mil.program import Operation, Program, Reference, Value


def step(operator: str, output: str, dtype: str = "fp32", **arguments: Any) -> Operation:
    return Operation(operator, arguments, (Value(output, dtype, (2,)),))


def program(*steps: Operation, outputs: tuple[str, ...]) -> Program:
    return Program((Value("x", "fp32", (2,)),), steps, outputs)


X = Reference("x")


def test_evaluate_runs_the_steps_in_order() -> None:
    evaluator = Evaluator(
        program(
            step("mul", "double", x=X, y=2.0),
            step("add", "sum", x=Reference("double"), y=X),
            outputs=("sum",),
        )
    )
    result = evaluator.evaluate({"x": torch.tensor([1.0, -2.0])})
    assert result["sum"].tolist() == [3.0, -6.0]


def test_fp16_steps_are_rounded_one_by_one() -> None:
    evaluator = Evaluator(
        program(
            step("add", "sum", "fp16", x=X, y=1.0),
            step("sub", "rest", "fp16", x=Reference("sum"), y=2048.0),
            outputs=("rest",),
        )
    )
    # float16 holds only even numbers above 2048: 2049 becomes 2048; 65519 becomes 65504 and 65520 infinite.
    rest = evaluator.evaluate({"x": torch.tensor([2048.0, 65519.0 - 1])})["rest"]
    assert rest.dtype == torch.float32
    assert rest.tolist() == [0.0, 65504.0 - 2048.0]
    assert evaluator.evaluate({"x": torch.tensor([65520.0, 0.0])})["rest"][0] == torch.inf


def test_fp16_products_accumulate_in_float32() -> None:
    weight = np.array([[1.0, 1.0, 1.0]], np.float16)
    evaluator = Evaluator(program(step("linear", "y", "fp16", x=X, weight=weight), outputs=("y",)))
    # 2048 + 1 + 1: summed in float16 the ones are lost one by one; in float32 they are not.
    assert evaluator.evaluate({"x": torch.tensor([[2048.0, 1.0, 1.0]])})["y"].item() == 2050.0


def test_declared_integer_types_are_kept() -> None:
    evaluator = Evaluator(
        program(
            step("reduce_argmax", "ids", "int32", x=X, axis=0, keep_dims=False),
            step("quantize", "q", "int8", input=X, scale=1.0, output_dtype="int8"),
            outputs=("ids", "q"),
        )
    )
    result = evaluator.evaluate({"x": torch.tensor([1.0, 3.0])})
    assert result["ids"].dtype == torch.int32
    assert result["q"].dtype == torch.int8


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
@pytest.mark.parametrize("source", [torch.float32, torch.int32])
def test_cast_beyond_the_range_wraps_to_the_width_of_the_type(
    dtype: str, source: torch.dtype
) -> None:
    cast = Operation("cast", {"x": X, "dtype": dtype}, (Value("y", dtype, (20_000,)),))
    evaluator = Evaluator(program(cast, outputs=("y",)))
    x = torch.arange(-70_000, 70_000, 7)
    result = evaluator.evaluate({"x": x.to(source)})["y"]
    assert result.tolist() == x.numpy().astype(dtype).tolist()


def test_mean_of_integers_drops_the_fraction() -> None:
    mean = step("reduce_mean", "y", "int32", x=X, keep_dims=False)
    evaluator = Evaluator(program(mean, outputs=("y",)))
    assert evaluator.evaluate({"x": torch.tensor([-2, -3], dtype=torch.int32)})["y"].item() == -2
    assert evaluator.evaluate({"x": torch.tensor([2, 3], dtype=torch.int32)})["y"].item() == 2


def test_wanted_values_are_kept_and_nothing_after_them_runs() -> None:
    evaluator = Evaluator(
        program(
            step("mul", "logits", x=X, y=3.0),
            step("reshape", "broken", x=Reference("logits"), shape=np.array([7], np.int32)),
            outputs=("broken",),
        )
    )
    x = torch.tensor([1.0, 2.0])
    assert evaluator.evaluate({"x": x}, ["logits"])["logits"].tolist() == [3.0, 6.0]
    with pytest.raises(RuntimeError, match="shape"):
        evaluator.evaluate({"x": x})


def test_evaluate_of_unknown_value_raises_its_name() -> None:
    evaluator = Evaluator(program(step("relu", "y", x=X), outputs=("y",)))
    with pytest.raises(KeyError, match="absent"):
        evaluator.evaluate({"x": torch.zeros(2)}, ["absent"])


def test_values_are_dropped_after_their_last_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_deeplab.runtimes.mil import evaluator as module

    alive: list[set[str]] = []
    run_step = module._run_operation

    def watch(step: Operation, values: dict[str, torch.Tensor], constants: Any) -> None:
        alive.append(set(values))
        run_step(step, values, constants)

    monkeypatch.setattr(module, "_run_operation", watch)
    chain = [step("relu", f"v{i + 1}", x=Reference(f"v{i}" if i else "x")) for i in range(4)]
    Evaluator(program(*chain, outputs=("v4",))).evaluate({"x": torch.zeros(2)})
    assert alive == [{"x"}, {"v1"}, {"v2"}, {"v3"}]


def test_inputs_are_left_as_they_were() -> None:
    evaluator = Evaluator(program(step("relu", "y", x=X), outputs=("y",)))
    x = torch.tensor([-1.0, 1.0])
    inputs = {"x": x}
    evaluator.evaluate(inputs)
    assert list(inputs) == ["x"]
    assert x.tolist() == [-1.0, 1.0]


def test_steps_on_constants_run_once_when_the_evaluator_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edge_deeplab.runtimes.mil import operators

    calls = []

    def counting(**arguments: Any) -> torch.Tensor:
        calls.append(arguments)
        return operators.constexpr_affine_dequantize(**arguments)

    monkeypatch.setitem(operators.OPERATORS, "constexpr_affine_dequantize", counting)  # type: ignore[arg-type]
    stored = np.array([2, 4], np.int8)
    weight = step(
        "constexpr_affine_dequantize", "w", quantized_data=stored, scale=0.5, zero_point=0, axis=0
    )
    evaluator = Evaluator(
        program(weight, step("mul", "y", x=X, y=Reference("w")), outputs=("y", "w"))
    )
    for _ in range(2):
        result = evaluator.evaluate({"x": torch.ones(2)})
        assert result["y"].tolist() == [1.0, 2.0]
        assert result["w"].tolist() == [1.0, 2.0]
    assert len(calls) == 1


def test_unknown_operators_are_all_named_before_anything_runs() -> None:
    with pytest.raises(
        UnsupportedOperatorError, match=r"MIL reference evaluator.*atan, erf"
    ) as raised:
        Evaluator(
            program(step("atan", "a", x=X), step("erf", "b", x=Reference("a")), outputs=("b",))
        )
    assert raised.value.operators == ("atan", "erf")
