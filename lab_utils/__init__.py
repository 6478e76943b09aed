"""Helpers of the Market Stream Lab: everything a lesson needs but is not about."""
