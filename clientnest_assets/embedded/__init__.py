"""The services of the embedded default: one PostgreSQL out of a wheel, and the secrets it needs."""
