"""Pages of pictures for a browser, in a folder that needs nothing else."""
