"""Benchmarks: ratios of medians measured alternately in one run, because times are noisy and ratios much less."""
