"""What the samples mean: pairs, estimates, overhead, verdicts. Pure; touches no machine."""
