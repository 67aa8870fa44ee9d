"""A mutant's luck: seeded draws of the values that a careful reader expects least."""

import random
from collections.abc import Sequence

INTEGERS = (
    *(0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 32767, 65536, 100_000),
    *(2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**53 + 1, 2**62, 2**63 - 1, 2**64 - 1, -(2**63)),
)
FLOATS = (0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1e-45, 3e38, -1e308, 0.5, 255.0)
TEXTS = (
    *("", " ", "\n \t\n", "two\nlines", "\x00", "\x1b]0;owned\x07", "\x1b[2J\x1b[1;31m", "\x9b31m"),
    *("a[/b]", "[link=evil]x[/link]", "{0}{type}%s", "\u202etxt", "e\u0301" * 40, "\ud800", "\r"),
    *("-1", "nan", "1e400", "null", "main", ".", "..", "/", "con.", "x" * 300, "x" * 200_000),
)
OUTSIDE = "outside.bin"
"""A file beside the mutant's folder that nothing may open because the mutant says so."""


class Dice(random.Random):
    """Draws for one mutant; `roll` seeds it.

    Attributes:
        outside: absolute path of `OUTSIDE`.
    """

    outside = f"/{OUTSIDE}"

    def integer(self) -> int:
        """Return a whole number: an extreme one, a small one, or any of 32 bits."""
        choices = (self.choice(INTEGERS), self.randrange(-2, 70), self.randrange(-(2**31), 2**31))
        return self.choices(choices, (6, 3, 1))[0]

    def number(self) -> float:
        """Return a float: not finite, extreme or near 1."""
        return self.choice((*FLOATS, self.uniform(-2, 2)))

    def text(self) -> str:
        """Return a string: one that steers a terminal, names a place outside, is empty, long or no text at all."""
        climbing = "../" * self.randrange(1, 6) + OUTSIDE
        return self.choice((*TEXTS, climbing, self.outside, f"file://{self.outside}"))

    def near(self, value: int) -> int:
        """Return a whole number that is a neighbour of `value`, a multiple of it, or anything."""
        return self.choice((value - 1, value + 1, value * 2, -value, value << 16, self.integer()))

    def sizes(self, sizes: Sequence[int]) -> list[int]:
        """Return a list of whole numbers that differs from `sizes` in a place, in order or in length."""
        changed, kind = [int(size) for size in sizes], self.randrange(6)
        if changed and kind < 3:
            place = self.randrange(len(changed))
            changed[place] = self.near(changed[place])
        elif kind == 3:
            changed.insert(self.randrange(len(changed) + 1), self.integer())
        elif changed and kind == 4:
            del changed[self.randrange(len(changed)) :]
        else:
            changed = [self.integer() for _ in range(self.choice((0, 1, 5, 9, 5000)))]
        return changed


def roll(seed: int, kind: str, index: int, outside: str = Dice.outside) -> Dice:
    """Return the dice of one mutant.

    Args:
        seed: of the run.
        kind: what is mutated.
        index: the mutant's number within its kind.
        outside: absolute path of the file outside.
    """
    dice = Dice(f"{seed} {kind} {index}")
    dice.outside = outside
    return dice
