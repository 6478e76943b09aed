"""Proof of the sink's promise: break each part while ticks flow, then compare what is stored with what was sent."""
