"""The truth: the append-only record of each run."""
