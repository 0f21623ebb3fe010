"""Kafka: the same topics and batches as in memory, carried by brokers."""
