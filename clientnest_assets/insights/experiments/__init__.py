"""Whether experiments work: effects with intervals, the split looked at first, and a verdict in plain words."""
