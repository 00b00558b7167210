"""Benchmarks: measure, record, report."""
