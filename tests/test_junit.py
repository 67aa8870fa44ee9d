"""JUnit XML as readers take it."""

from xml.etree import ElementTree

from edge_deeplab.junit import Case, Outcome, Suite, junit_xml

HOSTILE = "a\x00b\x1b[31m\ud800\uffff\n<script>&\"'</script>]]>\u202e"


def test_document_counts_what_its_cases_came_to():
    cases = [
        Case("parity.camvid", "good.onnx", seconds=1.25, properties={"miou": 66.5, "none": None}),
        Case("parity.camvid", "bad.onnx", Outcome.FAILURE, "it lost 3 points", ["miou: 63.5"]),
        Case("parity.camvid", "gone.onnx", Outcome.ERROR, "it does not exist"),
        Case("parity.camvid", "near.onnx", Outcome.SKIPPED, "about 9 more images"),
    ]
    root = ElementTree.fromstring(junit_xml([Suite("parity", cases)]))
    counts = {"tests": "4", "failures": "1", "errors": "1", "skipped": "1", "time": "1.250"}
    (suite,) = root
    assert root.attrib == {"name": "edge-deeplab", **counts}
    assert suite.attrib == {"name": "parity", **counts}
    good, bad, gone, near = suite
    assert good.attrib == {"classname": "parity.camvid", "name": "good.onnx", "time": "1.250"}
    assert [each.attrib for each in good.iter("property")] == [{"name": "miou", "value": "66.5"}]
    assert [child.tag for child in good] == ["properties"]
    (failure,) = bad
    assert failure.attrib == {"message": "it lost 3 points", "type": "failure"}
    assert failure.text == "miou: 63.5"
    assert gone[0].tag == "error"
    assert (near[0].tag, near[0].attrib) == ("skipped", {"message": "about 9 more images"})


def test_document_is_xml_whatever_names_and_messages_hold():
    case = Case(HOSTILE, HOSTILE, Outcome.FAILURE, HOSTILE, [HOSTILE], 0, {HOSTILE: HOSTILE})
    document = junit_xml([Suite(HOSTILE, [case])])
    (found,) = ElementTree.fromstring(document).iter("testcase")
    told = [found.get("name"), found[1].get("message"), found[1].text]
    for text in told:
        assert "<script>&\"'</script>]]>" in text
        assert not any(sign in text for sign in "\x00\x1b\ud800\uffff\u202e")
    assert document.startswith(b"<?xml version='1.0' encoding='utf-8'?>")


def test_text_of_a_pass_is_shown_beside_it():
    root = ElementTree.fromstring(junit_xml([Suite("a", [Case("a", "b", told=["seen", "twice"])])]))
    assert root.findtext(".//system-out") == "seen\ntwice"
