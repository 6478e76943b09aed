"""Java, jars, Kafka and PostgreSQL as processes that the lab starts and stops itself."""
