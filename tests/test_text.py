import pytest

from edge_deeplab.text import first_line, printable


@pytest.mark.parametrize("message", ["", " ", "\n\t\n", ValueError(), ValueError("  \n ")])
def test_first_line_of_a_message_that_says_nothing_is_no_message(message):
    assert first_line(message) == "no message"


def test_first_line_skips_blank_lines_and_keeps_one():
    assert first_line(ValueError("\n  what came \nwhat was expected")) == "what came"


def test_printable_replaces_what_steers_a_terminal():
    assert printable("a \x1b]0;evil\x07b\r\u202ec") == "a \ufffd]0;evil\ufffdb\ufffd\ufffdc"
