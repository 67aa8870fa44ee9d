from edge_deeplab.lab import trying
from edge_deeplab.lab.devices import Device
from edge_deeplab.lab.environments import inspect_tool
from edge_deeplab.lab.trying import try_tool
from tests.lab.conftest import DEVICE


def tried(fake, monkeypatch):
    monkeypatch.setattr(trying, "DEVICES", {DEVICE: Device("fake", "fake-1")})
    return try_tool(inspect_tool(fake.tool))


def test_try_tool_lets_it_compile_the_tiny_file(fake, monkeypatch):
    fake.install()
    assert tried(fake, monkeypatch).to_json() == {"tool": "fake", "device": DEVICE, "error": None}


def test_try_tool_tells_another_version_a_refusal_and_a_failure(fake, monkeypatch):
    fake.install()
    fake.says("def version(): return {'version': '1.1'}")
    assert "it says that it is '1.1'; 1.0 was expected" in tried(fake, monkeypatch).error
    fake.answers("{'refused': 'no licence'}")
    assert "refuses the tiny file ('no licence')" in tried(fake, monkeypatch).error
    fake.answers("1 / 0")
    assert "ZeroDivisionError" in tried(fake, monkeypatch).error
