"""Which moves of a file cut a map into phases or interlace them, on graphs that differ in one thing each."""

from dataclasses import replace

from edge_deeplab.checker.phases import find_phase_moves
from edge_deeplab.formats.graph import Operator, TensorSpec

CUT = [(0, 2, 3, 1), None, (2, 0, 1, 3), None, (2, 0, 1, 3), None, (0, 3, 1, 2)]
INTERLACE = [(0, 2, 3, 1), None, (1, 2, 0, 3), None, (1, 2, 0, 3), None, (0, 3, 1, 2)]


class Graph:
    """Operators under construction, each of which reads one other."""

    def __init__(self):
        self.operators = []

    def add(self, kind, reads, perm=None, shape=None):
        place = len(self.operators)
        given, result = (TensorSpec(name, "int8", shape) for name in ("x", "y"))
        attributes = {} if perm is None else {"perm": perm}
        self.operators.append(
            Operator(
                place,
                kind,
                "y",
                1,
                (given,),
                (result,),
                attributes,
                reads=(reads,),
                writes=(str(place),),
            )
        )
        return str(place)

    def chain(self, reads, orders, between=(), shape=(1, 24, 30, 8)):
        """Add moves, and these operators behind each; return what the last writes."""
        for order in orders:
            kind = "Reshape" if order is None else "Transpose"
            reads = self.add(kind, reads, order, shape)
            for other in between:
                reads = self.add(other, reads)
        return reads

    def steps(self):
        moves = find_phase_moves(self.operators)
        return [moves[place]["phase_move"] for place in sorted(moves)]

    def facts(self, name):
        return {facts[name] for facts in find_phase_moves(self.operators).values()}


def test_phase_moves_are_counted_from_the_map_that_is_cut_and_from_the_phases():
    graph = Graph()
    graph.chain(graph.add("Conv", graph.chain("image", CUT)), INTERLACE)
    assert graph.steps() == [f"{kind}-{n}" for kind in ("cut", "interlace") for n in range(1, 8)]
    assert graph.facts("phases_shared") == {False}
    assert graph.facts("phases_resized") == {False}


def test_phase_moves_are_found_between_dequantize_and_quantize():
    graph = Graph()
    graph.chain("image", CUT, between=("QuantizeLinear", "DequantizeLinear"))
    assert graph.steps() == [f"cut-{n}" for n in range(1, 8)]


def test_phase_moves_of_a_padded_map_tell_so():
    graph = Graph()
    graph.chain(graph.add("Pad", graph.chain("image", CUT[:1])), CUT[1:])
    assert graph.facts("phases_resized") == {True}


def test_phase_moves_of_a_map_that_is_cut_twice_tell_so():
    graph = Graph()
    start = graph.chain("image", CUT[:1])
    for _ in range(2):
        graph.chain(start, CUT[1:])
    assert len(graph.steps()) == 13
    assert graph.facts("phases_shared") == {True}


def test_phase_moves_of_whole_tiles_have_a_side_of_sixteens():
    for shape, of_tiles in (((1, 24, 30, 8), False), ((1, 24, 32, 8), True), (None, False)):
        graph = Graph()
        graph.chain("image", CUT, shape=shape)
        assert graph.facts("phases_of_tiles") == {of_tiles}


def test_other_transposes_and_reshapes_are_no_phase_moves():
    for orders in (CUT[:-1], [*CUT[:2], (0, 3, 1, 2), *CUT[3:]], [CUT[0], CUT[-1]]):
        graph = Graph()
        graph.chain("image", orders)
        assert graph.steps() == []


def test_phase_moves_are_looked_for_in_a_file_that_goes_in_circles():
    graph = Graph()
    graph.add("Pad", graph.add("Transpose", "image", CUT[0]))
    graph.add("Pad", "1")
    graph.operators[2] = replace(graph.operators[2], writes=("1",))
    assert graph.steps() == []
