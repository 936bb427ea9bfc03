"""What would stop an experiment, said before anything is started."""
