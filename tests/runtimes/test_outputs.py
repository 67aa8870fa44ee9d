"""Class maps and scores brought to the picture's size."""

import numpy as np

from edge_deeplab.data.transforms import resize_ids
from edge_deeplab.runtimes.inputs import ImageTensor
from edge_deeplab.runtimes.outputs import class_map


def test_small_class_map_is_enlarged_as_evaluation_resizes_masks() -> None:
    random = np.random.Generator(np.random.PCG64(3))
    for _ in range(300):
        height, width = random.integers(4, 600, 2).tolist()
        image = ImageTensor("x", (1, height, width, 3), np.dtype(np.uint8))
        factor = random.uniform(2 / min(height, width), 2)  # a map has the picture's proportions
        ids = random.integers(0, 256, (round(height * factor), round(width * factor)), np.uint8)
        assert np.array_equal(class_map(ids[None], image, path="f"), resize_ids(ids, image.size_hw))
