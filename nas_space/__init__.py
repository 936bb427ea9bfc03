"""What can be searched, and the networks that are found."""
