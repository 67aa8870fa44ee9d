import onnx
import pytest
from onnx import helper

from edge_deeplab.formats.wire import bound_messages

DESCRIPTOR = onnx.ModelProto.DESCRIPTOR


def count_parsed(message):
    """Return the number of messages inside a parsed one."""
    fields = [value for field, value in message.ListFields() if field.message_type]
    inner = [m for value in fields for m in (value if hasattr(value, "__len__") else [value])]
    return len(inner) + sum(map(count_parsed, inner))


def test_bound_messages_counts_what_protobuf_parses(onnx_path):
    content = onnx_path.read_bytes()
    expected = count_parsed(onnx.load(onnx_path))
    assert bound_messages(content, DESCRIPTOR) == expected > 10


def test_bound_messages_more_than_allowed_are_refused_before_the_end(onnx_path):
    content = onnx_path.read_bytes()
    count = bound_messages(content, DESCRIPTOR)
    assert bound_messages(content, DESCRIPTOR, most=count) == count
    with pytest.raises(ValueError, match=f"more than {count - 1} messages"):
        bound_messages(content, DESCRIPTOR, most=count - 1)


def test_bound_messages_text_that_looks_like_a_message_is_not_entered():
    model = helper.make_model(helper.make_graph([], "\x0a\x00" * 100, [], []))
    model.ClearField("opset_import")
    assert bound_messages(model.SerializeToString(), DESCRIPTOR) == 1


def test_bound_messages_fields_without_end_are_refused():
    with pytest.raises(ValueError, match="more than 10 messages"):
        bound_messages(b"\x08\x01" * 101, DESCRIPTOR, most=10)


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 30, b"\x3a\xff\xff\xff\xff\x0f", b"\x3b", b"\x0d\x00", b"\x3a"]
)
def test_bound_messages_bytes_that_are_no_message_end_the_walk(content):
    assert bound_messages(content, DESCRIPTOR) == 0


def test_bound_messages_endless_nesting_ends_at_the_depth_of_protobuf():
    content = b""
    for _ in range(200):  # a graph in an attribute of a node of a graph, and so on
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            size = len(content)
            length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
            content = tag + length + content
    graph = onnx.GraphProto.DESCRIPTOR
    assert bound_messages(content, graph) == 101
