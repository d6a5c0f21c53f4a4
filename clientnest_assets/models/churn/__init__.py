"""The churn model: the chance that a user who is active now is gone in the next 30 days."""
