"""Files that are close to those that are read here and are none: told by name, with what to do.

The idea to hold: whoever brings one has the file that was wanted, or can make it.
"""

from pathlib import Path

from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.source import read_bytes
from edge_deeplab.formats.wire import sized_fields

_OLD_ENDING = ".mlmodel"
_OLD_KINDS = {500: "neuralNetwork", 403: "neuralNetworkClassifier", 303: "neuralNetworkRegressor"}
_PROGRAM = 502
"""Fields of Core ML's `Model` message that say what it holds."""
_EDGE_TPU = len(b"edgetpu-custom-op").to_bytes(4, "little") + b"edgetpu-custom-op\0"
"""The operator that holds a compiled network, as a flatbuffer stores its name."""


def refuse_core_ml_file(path: Path) -> None:
    """Refuse a Core ML file of the kind before packages; other endings pass.

    Raises:
        ArtifactError: when it is one, saying what it holds and what to do.
    """
    if path.suffix.lower() != _OLD_ENDING:
        return
    content = read_bytes(path, wanted="an .mlpackage")
    kinds = [
        kind for number, kind in _OLD_KINDS.items() if next(sized_fields(content, number), b"")
    ]
    if next(sized_fields(content, _PROGRAM), b""):
        raise ArtifactError(
            f"{path} is an ML program outside of a package; an .mlpackage was expected; save it as one, with "
            "coremltools: MLModel('a.mlmodel').save('a.mlpackage')"
        )
    held = f"in the old format {kinds[0]}, from before iOS 15" if kinds else "without an ML program"
    raise ArtifactError(
        f"{path} is a Core ML model {held}; an .mlpackage with an ML program was expected; coremltools turns no such "
        "file into one: convert the network that it was made from again, with convert_to='mlprogram'"
    )


def refuse_edge_tpu_file(path: Path, content: bytes) -> None:
    """Refuse a TFLite file that the Edge TPU's compiler has written.

    Args:
        path: the file.
        content: its bytes.

    Raises:
        ArtifactError: when it is one.
    """
    if _EDGE_TPU in content:
        raise ArtifactError(
            f"{path} is compiled for the Edge TPU: its network is one operator, edgetpu-custom-op, that nothing else "
            "reads; the file that its compiler was given was expected; use the uncompiled file, whose name mostly "
            "lacks _edgetpu"
        )
