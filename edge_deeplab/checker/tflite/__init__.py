"""What is particular to TFLite files: opcode versions and signatures, their lint, and a copy mended and proven."""
