"""Finding a rare animal in the pictures of camera traps, and a generator of such pictures."""
