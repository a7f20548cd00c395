"""Other ways to write the same function: what ours is measured beside."""
