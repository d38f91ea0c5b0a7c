"""Measurements: ratios against a peer in one run, and the counts the contract promises."""
