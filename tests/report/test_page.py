"""The page: nothing of a file is markup, nothing is loaded, and a person can sort, filter and compare in it."""

import base64
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_deeplab.data.inspection.inspect import InspectRequest, inspect
from edge_deeplab.data.inspection.problem import Problem
from edge_deeplab.data.inspection.summary import DataSummary, SplitSummary
from edge_deeplab.evaluation.drift import DriftChain, LayerDrift
from edge_deeplab.evaluation.latency import Untimed
from edge_deeplab.evaluation.metrics import Ids
from edge_deeplab.lab.report import Cell, LabReport
from edge_deeplab.report import views
from edge_deeplab.report.curves import Curve
from edge_deeplab.report.known import ModelCard, Page
from edge_deeplab.report.lineage import Ancestor, Detail, Story
from edge_deeplab.report.render import LARGEST_PAGE, LONGEST_TEXT, render, told
from edge_deeplab.targets import TARGETS
from tests.conftest import write_dataset
from tests.demo.chromium import Chromium
from tests.report.conftest import SCRIPT, page_of

HOSTILE = (
    SCRIPT,
    "a\x1b[2Jb\u202e",
    "x" * 2_000_000,
    '"><img src=http://evil.invalid/a onerror=alert(1)>',
)


def hostile_page() -> Page:
    """A page in which every text that comes from files is hostile."""
    files = {Path(f"{name[:80]}.onnx"): 2 for name in HOSTILE}
    page = page_of(HOSTILE, files, title=SCRIPT)
    details = tuple(Detail(text, text) for text in HOSTILE)
    step = Ancestor(SCRIPT, SCRIPT, SCRIPT, details, HOSTILE)
    shares = dict.fromkeys(HOSTILE, 0.2)
    split = SplitSummary(3, 3, shares, dict.fromkeys(HOSTILE, 1), 0.0, {(8, 8): 3})
    problems = tuple(Problem.of("label", Path(text[:80]), text) for text in HOSTILE)
    summary = DataSummary(Path(SCRIPT), {SCRIPT: split}, problems, not_looked_for=HOSTILE)
    cell = Cell(SCRIPT, Path(SCRIPT), "predicted", error=HOSTILE[3], notes=HOSTILE)
    return replace(
        page,
        models=(ModelCard(SCRIPT, details, page.references[0] and page.class_infos, details),),
        stories=(Story(SCRIPT, (step,)),),
        data=details,
        summary=summary,
        lab=LabReport((cell,)),
        notes=HOSTILE,
    )


def test_page_of_hostile_texts_has_no_markup_of_theirs_and_is_small() -> None:
    text = render(hostile_page())
    assert text.count("<script") == 1
    assert "<img src=http" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text) < 1_000_000
    assert "&lt;script&gt;" in text


def test_page_loads_nothing(page: Page) -> None:
    text = render(page)
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', text)
    assert addresses
    assert {a for a in addresses if not a.startswith(("data:", "#"))} == set()
    assert "default-src &#39;none&#39;" in text
    assert not re.search(r"\bstyle=|\bon[a-z]+=\"|@import|url\(", text)


def test_page_shows_scores_intervals_and_verdicts(page: Page) -> None:
    text = render(page)
    assert "b.tflite" in text
    assert "✓ passed" in text
    for section in ("artifacts", "classes", "confusion", "boundary", "disagreement", "data"):
        assert f'id="{section}"' in text


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    files = {Path("runs/a/m.onnx"): 2, Path("runs/b/m.onnx"): 0, Path("runs/b/n.onnx"): 0}
    text = render(page_of(("sky", "road", "car"), files))
    assert text.count(f'data-value="{Path("a/m.onnx")}"') == 1
    assert text.count(f'data-value="{Path("b/m.onnx")}"') == 1
    assert text.count('data-value="n.onnx"') == 1


def test_page_says_of_each_untimed_file_why(page: Page) -> None:
    rows = [Untimed(entry.path, "r", 9, f"reason {entry.number}") for entry in page.entries]
    entries = [replace(e, bytes=9, latency=row) for e, row in zip(page.entries, rows, strict=True)]
    text = render(replace(page, entries=tuple(entries)))
    assert text.count("Not timed") == 2
    assert all(f"</span>  reason {entry.number}." in text for entry in entries)


def test_every_target_has_a_shape_of_its_own(page: Page) -> None:
    legend = re.search(r'<span class="shapes">(.*?)</span></p>', render(page), re.DOTALL)
    assert legend is not None
    shapes = re.findall(r"<svg[^>]*>\s*(<.*?/>)", legend[1], re.DOTALL)
    assert len(set(shapes)) == len(shapes) == len(TARGETS) + 1
    assert all(target.label in legend[1] for target in TARGETS.values())


def long_page() -> Page:
    """A page on which every list is longer than any real one, of texts that escaping makes longer."""
    quotes = '"' * 600
    names = tuple(f"{number}{quotes}" for number in range(120))
    page = page_of(names, {Path("a.onnx"): 0})
    layers = tuple(LayerDrift(quotes, quotes, {"file": float(n)}) for n in range(30))
    chain = DriftChain(Path("a.onnx"), ("file",), layers)
    entries = [replace(page.entries[0], number=n, bytes=n, drift=chain) for n in range(1, 250)]
    details = (Detail(quotes, quotes),) * 500
    step = Ancestor(quotes, quotes, quotes, details, (quotes,) * 120)
    curve = Curve(quotes, tuple((float(n), n / 7) for n in range(2000)), (), 1.0)
    split = SplitSummary(3, 3, dict.fromkeys(names, 0.008), {}, 0.0, {(8, 8): 3})
    splits = dict.fromkeys([f"{number}{quotes}" for number in range(1600)], split)
    problems = (Problem.of("label", Path("a.png"), quotes),) * 5000
    cells = tuple(
        Cell(quotes, Path("a.onnx"), "predicted", error=quotes, notes=(quotes,) * 500)
        for _ in range(200)
    )
    return replace(
        page,
        models=(ModelCard(quotes, details, page.class_infos, details),) * 50,
        stories=(Story(quotes, (step,) * 12),) * 50,
        curves=(curve,) * 12,
        summary=DataSummary(Path("a"), splits, problems, not_looked_for=(quotes,) * 500),
        entries=tuple(entries),
        lab=LabReport(cells),
        notes=(quotes,) * 5000,
    )


def test_page_stays_within_its_bytes_however_long_its_lists_are() -> None:
    page = long_page()
    text = render(page)
    assert len(text.encode()) < LARGEST_PAGE
    assert "Left out, to keep the page small" in text
    assert "And 4900 more." in text
    links = set(re.findall(r'href="#([a-z]+)"', text))
    assert links <= set(re.findall(r'<(?:section|main) id="([a-z]+)"', text))
    alone = render(Page("ref", 0.5, data=page.data, summary=page.summary))
    assert len(alone) < 2_000_000
    assert "And 1588 more splits" in alone


def test_classes_of_every_split_have_a_row() -> None:
    def split(**shares: float) -> SplitSummary:
        return SplitSummary(1, 1, shares, {}, 0.0, {})

    splits = {"train": split(a=1.0), "val": split(b=0.5, a=0.5)}
    shares = views.class_shares(DataSummary(Path("d"), splits, ()))
    assert shares.splits == (("train", 1), ("val", 1))
    assert shares.rows == (("a", (100, 50)), ("b", (0, 50)))
    assert (shares.more_splits, shares.more_rows) == (0, 0)


def test_page_of_nothing_but_an_error_is_a_page() -> None:
    page = Page("ref", 0.5, notes=("a.onnx cannot be read",))
    assert "a.onnx cannot be read" in render(page)


def test_told_text_is_one_short_line() -> None:
    assert told("a\nb") == "a\N{REPLACEMENT CHARACTER}b"
    assert len(told("x" * 10**6)) == LONGEST_TEXT


def test_pictures_are_left_out_before_the_page_grows(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, left_out = views.cards(page)
    assert (len(shown), left_out) == (3, 0)
    monkeypatch.setattr(views, "LARGEST_IMAGES", 4000)
    fewer, left_out = views.cards(page)
    assert len(fewer) < 3
    assert len(fewer) + left_out == 3
    assert "left out, to keep the page small" in render(page)


def test_matrix_of_many_classes_is_its_worst_pairs(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert views.matrices(page)[0].rows
    monkeypatch.setattr(views, "MOST_CLASSES", 2)
    assert not views.matrices(page)[0].rows
    assert views.matrices(page)[1].pairs[0].percent > 0


def test_hostile_page_runs_nothing_and_asks_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(render(hostile_page()))
    with Chromium() as browser:
        browser.open(path.as_uri())
        assert browser.evaluate("document.title").startswith("<script>")
        assert browser.evaluate("document.scripts.length") == 1
        assert (
            browser.evaluate("document.querySelectorAll('img:not([src^=\"data:\"])').length") == 0
        )
        assert [r for r in browser.requests if not r.startswith("data:")] == [path.as_uri()]
        assert browser.log == []
        for width in (390, 1440):
            browser.look((width, 900))
            assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_page_sorts_filters_and_compares(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(render(page))
    with Chromium() as browser:
        browser.open(path.as_uri())

        def first() -> str:
            return str(browser.evaluate("document.querySelector('#artifacts tbody th').innerText"))

        button = "document.querySelectorAll('#artifacts thead button')[2]"
        browser.evaluate(f"{button}.click()")
        assert first().startswith("a.onnx")
        browser.evaluate(f"{button}.click()")
        assert first().startswith("b.tflite")
        assert browser.evaluate(f"{button}.closest('th').ariaSort") == "descending"

        browser.evaluate("document.querySelector('[data-class-choice=\"1\"]').click()")
        assert browser.evaluate("document.querySelector('.byclass tr[data-class=\"1\"]').hidden")
        assert browser.evaluate("document.querySelector('[data-count]').innerText") == "2 of 3"

        seen = (
            "[...document.querySelector('.photo').querySelectorAll('[data-layer]')]"
            ".map(layer => Number(layer.style.opacity) > 0)"
        )
        assert browser.evaluate(seen)[3:] == [True, True]
        browser.evaluate("document.querySelector('.photo [data-stop=\"1\"]').click()")
        assert browser.evaluate(seen) == [True, True, False, False, False]
        slider = "document.querySelector('.photo input[type=range]')"
        assert browser.evaluate(f"{slider}.getAttribute('aria-valuetext')") == "ground truth"
        browser.evaluate(f"{slider}.focus()")
        browser.send("Input.dispatchKeyEvent", type="keyDown", key="End", code="End",
                     windowsVirtualKeyCode=35)  # fmt: skip
        assert browser.evaluate(f"{slider}.value") == "3"
        assert browser.log == []


def test_class_maps_show_the_chosen_classes_alone(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(render(page))
    with Chromium() as browser:
        browser.open(path.as_uri())

        def maps() -> list[str]:
            asked = "[...document.querySelectorAll('.photo img[data-map]')].map(image => image.src)"
            found = browser.evaluate(asked)
            assert isinstance(found, list)
            return found

        before = maps()
        browser.evaluate("document.querySelector('[data-class-choice=\"1\"]').click()")
        for whole, shown in zip(before, maps(), strict=True):
            ids, alpha = ids_and_alpha(shown)
            assert (alpha[ids == 1] == 0).all()
            others = ids != 1
            assert (alpha[others] == ids_and_alpha(whole)[1][others]).all()
        assert any((ids_and_alpha(whole)[0] == 1).any() for whole in before)
        sizes = "Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))"
        assert browser.evaluate(f"{sizes}.then(all => all.every(Boolean))")
        browser.evaluate("document.querySelector('button[data-all=\"1\"]').click()")
        assert maps() == before
        assert browser.log == []


def ids_and_alpha(address: str) -> tuple[Ids, Ids]:
    """Return what a class map's pixels hold and how opaque they are."""
    picture = Image.open(BytesIO(base64.b64decode(address.partition(",")[2])))
    assert picture.mode == "P"
    return np.asarray(picture), np.asarray(picture.convert("RGBA"))[..., 3]


def test_page_of_a_data_folder_shows_its_splits_and_what_is_wrong(
    page: Page, tmp_path: Path
) -> None:
    folder = write_dataset(tmp_path / "data", count=2)
    write_dataset(tmp_path / "data", "test", count=2)
    (folder / "test" / "masks" / "1.png").write_bytes(b"broken")
    text = render(replace(page, data=(), summary=inspect(InspectRequest(folder))))
    assert 'id="data"' not in text, "without facts there is no section"
    text = render(
        replace(page, data=(Detail("name", "x"),), summary=inspect(InspectRequest(folder)))
    )
    section = text[text.index('id="data"') :]
    assert "train<small>2 images</small>" in section
    assert re.search(r"<b>1\.png</b>: .*cannot be read", section)
    assert 'data-value="left"' in section
