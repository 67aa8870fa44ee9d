import pytest

from edge_deeplab.text import first_line, markdown, markdown_code, printable, printable_lines


@pytest.mark.parametrize("message", ["", " ", "\n\t\n", ValueError(), ValueError("  \n ")])
def test_first_line_of_a_message_that_says_nothing_is_no_message(message):
    assert first_line(message) == "no message"


def test_first_line_skips_blank_lines_and_keeps_one():
    assert first_line(ValueError("\n  what came \nwhat was expected")) == "what came"


def test_printable_replaces_what_steers_a_terminal():
    assert printable("a \x1b]0;evil\x07b\r\u202ec") == "a \ufffd]0;evil\ufffdb\ufffd\ufffdc"


def test_printable_replaces_bytes_of_a_name_that_are_no_text():
    assert printable("caf\udce9") == "caf\ufffd"


def test_printable_lines_keeps_lines():
    assert printable_lines("a\x1b\nb\r\n") == "a\ufffd\nb\ufffd\n"


def test_markdown_of_text_that_would_be_cells_tags_links_or_lines_shows_it():
    text = "a|b\n# `c` <img src=x> [d](e) *f* \\"
    assert markdown(text) == "a\\|b\ufffd# \\`c\\` \\<img src=x\\> \\[d\\](e) \\*f\\* \\\\"


def test_markdown_of_a_name_is_no_style_entity_or_address():
    text = "runs/_best_.tflite ~~b~~ &lt; https://e.example WWW.e.example"
    assert (
        markdown(text) == r"runs/\_best\_.tflite \~\~b\~\~ \&lt; https\://e.example WWW\.e.example"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a.onnx", "`a.onnx`"),
        ("a|<b>\n@c", "`a\\|<b>\ufffd@c`"),
        ("a``b", "```a``b```"),
        ("`a`", "`` `a` ``"),
    ],
)
def test_markdown_code_shows_text_in_which_nothing_is_read(text, shown):
    assert markdown_code(text) == shown
