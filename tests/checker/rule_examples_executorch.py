"""For each rule about ExecuTorch, with XNNPACK or Core ML: operators that it speaks about, and some it does not."""

from tests.checker.operator_builders import dense, operator

WITHIN = operator("XNNAdd", domain="xnnpack")
CORE_ML = operator("CoreMLBackend", domain="delegate")
PORTABLE = operator("aten::argmax")

QUALCOMM = operator("QnnBackend", domain="delegate")

EXECUTORCH_EXAMPLES = {
    "executorch-coreml.other-backend": ([QUALCOMM], [CORE_ML, PORTABLE, WITHIN]),
    "executorch-coreml.xnnpack": ([WITHIN], [CORE_ML, PORTABLE]),
    "executorch-coreml.portable-kernel": ([PORTABLE], [CORE_ML, WITHIN]),
    "executorch-xnnpack.other-backend": ([CORE_ML], [PORTABLE, WITHIN]),
    "executorch-xnnpack.portable-kernel": (
        [PORTABLE, operator("dim_order_ops::_to_dim_order_copy")],
        [WITHIN, CORE_ML, dense("XNNConv2d", domain="xnnpack")],
    ),
}
