"""Does the right key result stand among the first three? Tickets of our own making, each with its right answer."""
