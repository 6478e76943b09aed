"""Kafka → PostgreSQL in plain Python."""
