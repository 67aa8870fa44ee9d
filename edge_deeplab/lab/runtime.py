"""A file on a tool's simulator or accelerator as a `Runtime`: its tensors mean the same as elsewhere."""

import time

import numpy as np

from edge_deeplab.errors import ArtifactError, ToolError
from edge_deeplab.lab.asking import ToolProcess, bounds
from edge_deeplab.lab.devices import Device
from edge_deeplab.lab.environments import inspect_tool
from edge_deeplab.lab.one_size import of_one_size
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.runtimes.artifact import ArtifactRuntime, check_images, noise_image
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits, Runtime
from edge_deeplab.runtimes.inputs import Tensor

_MOST_PICTURES = 10_000


class ToolRuntime(Runtime):
    """An exported file that a device of the lab executes; see `edge_deeplab.runtimes.base` for its methods.

    The tool loads the file once; the process ends with `close`.

    Args:
        own: the file in its runtime on this machine, which knows what its tensors mean.
        device: one that executes.

    Raises:
        ToolError: when the tool cannot be used.
    """

    def __init__(self, own: ArtifactRuntime, device: Device) -> None:
        status = inspect_tool(TOOLS[device.tool])
        self.name = f"{status.named} for {device.argument}"
        self.path, self.description, self.size_hw = own.path, own.description, own.size_hw
        self._own, self._device, self._tool = own, device, status.tool
        self._process = ToolProcess(status, bounds(_MOST_PICTURES))
        self._given = of_one_size(own.path, own.size_hw, self._process.folder).absolute()

    def close(self) -> None:
        """End the tool's process."""
        self._process.close()

    def predict(self, images: ImagesNHWC) -> ClassIds:
        """Return class ids; errors of the tool are a ToolError."""
        check_images(images, self.size_hw)
        ids = np.empty(images.shape[:3], np.uint8)
        for index, image_hwc in enumerate(images):
            ids[index] = self._own.read_ids(self._run(self._own.encode(image_hwc)))
        return ids

    def logits(self, images: ImagesNHWC) -> Logits:
        """Refuse: no value before a file's output is read on a device."""
        raise ArtifactError(
            f"scores of {self.path} were asked of {self.name}, which gives a file's own output; class ids were "
            "expected to be asked for; use the file's own runtime"
        )

    def time_once(self, images: ImagesNHWC | None = None) -> float:
        """Return the seconds of one execution with all that the tool does around it."""
        given = noise_image(self.size_hw) if images is None else images
        tensor = self._own.encode(given[0])
        start = time.perf_counter()
        self._run(tensor)
        return time.perf_counter() - start

    def _run(self, tensor: Tensor) -> Tensor:
        inputs, outputs = (self._process.folder / name for name in ("inputs.npy", "outputs.npy"))
        np.save(inputs, tensor, allow_pickle=False)
        self._process.ask(
            "run",
            path=str(self._given),
            device=self._device.argument,
            inputs=str(inputs),
            outputs=str(outputs),
        )
        try:
            output = np.load(outputs, allow_pickle=False)
            outputs.unlink()
        except (OSError, ValueError, EOFError) as error:
            reason = f"its output cannot be read ({error}); report it with the file"
            raise ToolError(self._tool.name, reason) from error
        if not isinstance(output, np.ndarray) or output.dtype.kind not in "biuf":
            raise ToolError(self._tool.name, "its output is no tensor of numbers; report it")
        return output
