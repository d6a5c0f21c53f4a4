"""Whether features can be trusted: what each day holds, what breaks its bounds and what has drifted, computed and kept."""
