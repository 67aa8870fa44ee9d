"""What of coremltools the Mac's script calls, with a compute plan that is made up. It is copied to be `coremltools`."""

import enum
import sys
from types import ModuleType, SimpleNamespace

import numpy as np

__version__ = "9.0"
REFUSED_UNITS = "CPU_AND_GPU"


class ComputeUnit(enum.Enum):
    ALL = 1
    CPU_AND_GPU = 2
    CPU_ONLY = 3
    CPU_AND_NE = 4


class MLCPUComputeDevice:
    pass


class MLNeuralEngineComputeDevice:
    pass


def operation(kind, output, *, blocks=()):
    outputs = [SimpleNamespace(name=output)]
    return SimpleNamespace(operator_name=kind, outputs=outputs, blocks=list(blocks))


INNER = SimpleNamespace(operations=[operation("ios16.relu", "inner")])
BLOCK = SimpleNamespace(
    operations=[
        operation("const", "axis"),
        operation("ios16.conv", "aspp__branches__1__0__conv2d"),
        operation("ios16.cond", "upsampled", blocks=[INNER]),
        operation("ios16.reduce_argmax", "classes"),
    ]
)


class MLComputePlan:
    def __init__(self, compute_units):
        self.engine = compute_units in (ComputeUnit.ALL, ComputeUnit.CPU_AND_NE)
        functions = {"main": SimpleNamespace(block=BLOCK)}
        self.model_structure = SimpleNamespace(program=SimpleNamespace(functions=functions))

    @classmethod
    def load_from_path(cls, path, compute_units=ComputeUnit.ALL):
        assert path == "compiled.mlmodelc"
        return cls(compute_units)

    def get_compute_device_usage_for_mlprogram_operation(self, operation):
        if operation.operator_name == "const":
            return None
        devices = [MLCPUComputeDevice()]
        if self.engine and operation.operator_name == "ios16.conv":
            devices.append(MLNeuralEngineComputeDevice())
        return SimpleNamespace(
            preferred_compute_device=devices[-1], supported_compute_devices=devices
        )

    def get_estimated_cost_for_mlprogram_operation(self, operation):
        return None if operation.operator_name == "const" else SimpleNamespace(weight=0.25)


class MLModel:
    def __init__(self, path, compute_units):
        if compute_units.name == REFUSED_UNITS:
            raise RuntimeError("Error compiling model")
        self.compute_units = compute_units

    def get_compiled_model_path(self):
        return "compiled.mlmodelc"

    def get_spec(self):
        picture = SimpleNamespace(width=6, height=4)
        kind = SimpleNamespace(WhichOneof=lambda group: "imageType", imageType=picture)
        inputs = [SimpleNamespace(name="image", type=kind)]
        return SimpleNamespace(description=SimpleNamespace(input=inputs))

    def predict(self, feed):
        pixels = np.asarray(feed["image"])
        assert pixels.shape == (4, 6, 3)
        return {"classes": (pixels[None, :, :, 0] > 127).astype(np.int32)}


models = ModuleType("coremltools.models")
models.compute_plan = ModuleType("coremltools.models.compute_plan")
models.MLModel, models.compute_plan.MLComputePlan = MLModel, MLComputePlan
models.__path__ = []
sys.modules["coremltools.models"] = models
sys.modules["coremltools.models.compute_plan"] = models.compute_plan
