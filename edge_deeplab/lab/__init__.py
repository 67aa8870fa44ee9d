"""The device lab: what vendors' own compilers, simulators and accelerators say of a file, beside what rules predict."""
