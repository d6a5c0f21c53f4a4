"""Personal data: how it is replaced before the first write."""
