"""Kafka → PostgreSQL with Spark Structured Streaming."""
