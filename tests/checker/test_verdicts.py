import json

import pytest

from edge_deeplab.checker.verdicts import Verdict


def test_verdicts_are_ordered_from_best_to_worst():
    best_first = [Verdict.OK, Verdict.SLOW, Verdict.FALLBACK, Verdict.REJECTED]
    assert sorted(Verdict, reverse=True) == best_first[::-1]
    assert max(best_first) is Verdict.REJECTED
    assert Verdict.REJECTED > Verdict.OK, "by letters it would be the lesser"
    assert Verdict.FALLBACK >= Verdict.FALLBACK >= Verdict.SLOW
    assert Verdict.OK <= Verdict.OK < "slow"


def test_verdict_is_no_greater_or_less_than_what_is_no_verdict():
    with pytest.raises(ValueError, match="'fine' is not a valid Verdict"):
        assert Verdict.OK < "fine"


def test_verdicts_are_their_words_in_json():
    assert json.loads(json.dumps({Verdict.OK: Verdict.SLOW})) == {"ok": "slow"}
