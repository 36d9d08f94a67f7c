"""Estimates, intervals and tests of plain arrays of numbers; none knows what they measure."""
