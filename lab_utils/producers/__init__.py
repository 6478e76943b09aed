"""Feed → Kafka: one module a topic."""
