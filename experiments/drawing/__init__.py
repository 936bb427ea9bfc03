"""Pictures of a search and of the network it found."""
