"""Application events, from a Kafka topic and over HTTP: into the inbox, settled to one row an event, and rolled up."""
