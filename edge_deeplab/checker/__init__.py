"""What each device makes of an exported file: rules kept as TOML (`rules/`) over facts, and verdicts; no torch."""
