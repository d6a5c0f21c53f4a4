"""How to split next week's posts, or what is spent on AI, over platforms for the most expected engagement."""
