"""For each rule about Core AI: operators that it speaks about, and some that it does not."""

from tests.checker.operator_builders import operator

COREAI_EXAMPLES = {
    "coreai.argmax": ([operator("argmax")], [operator("reduce_max"), operator("argsort")]),
}
