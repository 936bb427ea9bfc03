"""Runs: NNI trials, recipes, retraining, reports."""
