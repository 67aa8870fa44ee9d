"""A Core AI asset: what it says, what its own library makes of it, and what becomes of a damaged one."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import edge_deeplab as ed
from edge_deeplab.checker.judging import judge
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.devices.heads import resolve_head
from edge_deeplab.converters.export import write_target
from edge_deeplab.errors import ArtifactError
from edge_deeplab.evaluation.latency import Untimed
from edge_deeplab.formats.coreai_asset import HASH, METADATA, PROGRAM, read_asset
from edge_deeplab.formats.coreai_program import read_program
from edge_deeplab.formats.manifest import content_sha256
from edge_deeplab.formats.read import read_graph
from edge_deeplab.formats.stored.coreai import CoreAIReader
from edge_deeplab.lab.matrix import LabRequest, run_lab
from edge_deeplab.runtimes import open_artifact
from edge_deeplab.runtimes.observers.coreai import CoreAILoader
from tests.fuzz.dice import roll
from tests.fuzz.mlir import mutate_program
from tests.fuzz.plain import mutate_bytes
from tests.runtimes.conftest import NORMALISATION, SIZE_HW, describe, refusal

MUTANTS = 12
PROFILE = "coreai"


@pytest.fixture(scope="module")
def path(export_tiny: Callable[..., Path]) -> Path:
    return export_tiny("coreai", head="logits")


@pytest.fixture
def copied(path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(path, tmp_path / "copied.aimodel"))


def test_operators_have_their_modules_and_convolutions_their_geometry(path: Path) -> None:
    graph = read_graph(path)
    assert (graph.format, graph.versions) == ("coreai", {"asset": 2})
    convolutions = {o.module: o.convolution for o in graph.operators if o.convolution}
    assert set(convolutions) == {"stem.0", "depthwise.0", "classifier"}
    (depthwise,) = graph.dilated_depthwise
    assert (depthwise.type, depthwise.name) == ("conv2d", "depthwise__0__conv2d")
    told = convolutions["depthwise.0"]
    assert told is not None
    assert (told.kernel_hw, told.rate_hw, told.channels, told.multiplier) == ((3, 3), (2, 2), 8, 1)
    stem = convolutions["stem.0"]
    assert stem is not None
    assert (stem.stride_hw, stem.channels, stem.groups, stem.multiplier) == ((2, 2), 3, 1, 8)


def test_values_lead_from_operator_to_operator(path: Path) -> None:
    known = {"image"}
    for operator in read_graph(path).operators:
        computed = {
            key
            for key, spec in zip(operator.reads, operator.inputs, strict=True)
            if spec and not spec.constant
        }
        assert known >= computed, operator.name
        known.update(operator.writes)


def test_class_map_in_the_file_is_rejected_and_scores_are_not(
    path: Path, export_tiny: Callable[..., Path]
) -> None:
    classes = export_tiny("coreai", head="classes")
    (rejected,) = [
        v for v in judge(read_graph(classes), load_profile(PROFILE)).verdicts if v.verdict != "ok"
    ]
    assert (rejected.verdict, rejected.operator) == ("rejected", "argmax")
    assert {v.verdict for v in judge(read_graph(path), load_profile(PROFILE)).verdicts} == {"ok"}


def test_class_map_of_a_file_is_that_of_its_scores(
    path: Path, export_tiny: Callable[..., Path]
) -> None:
    images = np.random.default_rng(2).integers(0, 256, (2, *SIZE_HW, 3), np.uint8)
    with open_artifact(path) as scores, open_artifact(export_tiny("coreai")) as classes:
        np.testing.assert_array_equal(scores.predict(images), classes.predict(images))
        with pytest.raises(ArtifactError, match="shows no value before them"):
            classes.logits(images)


WRITE = """
import sys
from pathlib import Path
import torch
from torch import nn
from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.export import write_target
from tests.runtimes.conftest import NORMALISATION, describe
torch.manual_seed(0)
network = nn.Sequential(nn.Conv2d(3, 512, 1), nn.ReLU(), nn.Conv2d(512, 5, 1)).eval().requires_grad_(False)
graph = capture(network, NORMALISATION, (32, 48), "logits")
write_target(graph, describe("coreai", "fp32", "logits"), Path(sys.argv[1]))
"""


def test_file_is_the_same_from_every_process_and_tells_no_path(tmp_path: Path) -> None:
    """Names of blobs come from a hash that each process seeds anew, and the converter keeps files and lines."""
    paths = [tmp_path / f"{number}.aimodel" for number in range(2)]
    for path in paths:
        subprocess.run([sys.executable, "-c", WRITE, str(path)], check=True, capture_output=True)
    assert content_sha256(paths[0]) == content_sha256(paths[1])
    content = (paths[0] / PROGRAM).read_bytes()
    assert b"blob_0" in content
    assert b"capture.py" not in content
    assert str(Path.cwd()).encode() not in content


def test_changed_program_is_refused_before_it_is_parsed(copied: Path) -> None:
    content = (copied / PROGRAM).read_bytes()
    (copied / PROGRAM).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for read in (read_asset, read_graph, open_artifact):
        with pytest.raises(ArtifactError, match=r"main\.mlirb has another hash than main\.hash"):
            read(copied)


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ("", "1 to"),
        ("[]", "list indices"),
        ('{"assetVersion": "2.0", "creatorDefinedMetadata": 3}', "is no table"),
        ("{", "Expecting"),
        ('{"assetVersion": "x"}', "could not convert"),
    ],
)
def test_damaged_metadata_is_one_sentence(copied: Path, document: str, what: str) -> None:
    (copied / METADATA).write_text(document)
    with pytest.raises(ArtifactError, match=what) as error:
        read_asset(copied)
    assert "\n" not in str(error.value)


def test_link_that_leads_outside_is_refused(copied: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(copied / PROGRAM, elsewhere)
    (copied / PROGRAM).symlink_to(elsewhere)
    with pytest.raises(ArtifactError, match="leads outside the package"):
        read_graph(copied)


def test_folder_without_a_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.aimodel").mkdir()
    with pytest.raises(ArtifactError, match=r"main\.hash cannot be read"):
        open_artifact(tmp_path / "empty.aimodel")


def test_mutants_with_a_fitting_hash_are_read_or_refused_in_one_sentence(
    path: Path, copied: Path
) -> None:
    dice, ended = roll(0, "aimodel", 0, ""), {"read": 0, "refused": 0}
    images = np.zeros((1, *SIZE_HW, 3), np.uint8)
    for _ in range(MUTANTS):
        content, told = mutate_program(path, dice) or mutate_bytes(
            (path / PROGRAM).read_bytes(), dice
        )
        rewrite(copied, content)
        sentence = refusal(lambda: judge(read_graph(copied), load_profile(PROFILE)))
        assert "\n" not in sentence, told
        ended["refused" if sentence else "read"] += 1
        assert "\n" not in refusal(lambda: open_artifact(copied).predict(images)), told
    assert min(ended.values()) > 0, ended


def rewrite(asset: Path, content: bytes) -> None:
    """Give an asset another program, with the hash that fits it."""
    (asset / PROGRAM).write_bytes(content)
    (asset / HASH).write_bytes(hashlib.sha256(content).digest())


def test_observer_says_why_the_library_refuses(path: Path, copied: Path) -> None:
    graph, profile = read_graph(copied), load_profile(PROFILE)
    seen = CoreAILoader().observe(graph, profile)
    assert seen.taken is not None
    assert len(seen.taken) == len(graph.operators)
    rewrite(copied, (copied / PROGRAM).read_bytes()[:200])
    assert CoreAILoader().observe(graph, profile).refusal


def test_asset_is_a_cell_of_the_labs_matrix(path: Path) -> None:
    (cell,) = run_lab(LabRequest(artifacts=(path,))).cells
    assert (cell.device, cell.evidence, cell.predicted_equal) == ("coreai", "compiled", True)
    assert (cell.partitions, cell.left, cell.error) == (1, (), None)


def test_operands_that_are_one_value_have_their_roles(tmp_path: Path) -> None:
    """Apple's compiler shares equal constants, so that a stride of 2 and a rate of 2 are one."""
    torch.manual_seed(0)
    network = nn.Conv2d(3, 5, 3, stride=2, dilation=2, padding=2).eval().requires_grad_(False)
    graph = capture(network, NORMALISATION, SIZE_HW, "logits")
    path = tmp_path / "strided.aimodel"
    write_target(graph, describe("coreai", "fp32", "logits"), path)
    (convolution,) = [o.convolution for o in read_graph(path).operators if o.convolution]
    assert (convolution.stride_hw, convolution.rate_hw) == ((2, 2), (2, 2))


@pytest.mark.parametrize("head", ["exact", "fast", "logits", "quarter-logits"])
def test_network_computes_in_float16_under_every_head(
    tiny_network: Any, tmp_path: Path, head: str
) -> None:
    form = resolve_head(head)
    graph = capture(tiny_network, NORMALISATION, SIZE_HW, form.head, asked=form.asked)
    path = tmp_path / "half.aimodel"
    write_target(graph, describe("coreai", "fp16", form.head), path)
    convolutions = [o for o in read_graph(path).operators if o.convolution]
    assert {o.outputs[0].dtype for o in convolutions} == {"float16"}
    resizes = [o for o in read_graph(path).operators if o.type == "interpolate"]
    assert not resizes or resizes[-1].outputs[0].dtype == "float32"


def test_opened_asset_leaves_nothing_behind(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with open_artifact(path) as runtime:
        runtime.predict(np.zeros((1, *SIZE_HW, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_bench_times_no_file_off_the_mac(path: Path) -> None:
    (row,) = ed.bench([path], rounds=1).rows
    assert isinstance(row, Untimed) == (sys.platform != "darwin")
    assert not isinstance(row, Untimed) or "plain kernels" in row.note


def test_asset_with_further_functions_is_not_compared(path: Path) -> None:
    program = replace(read_program(path, numbers=True), others=("again",))
    with pytest.raises(ValueError, match="1 functions beside main"):
        CoreAIReader(program)
