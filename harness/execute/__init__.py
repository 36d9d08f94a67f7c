"""Trials: connect, prepare, the one loop, and the counters around each trial."""
