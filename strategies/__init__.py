"""How to search: NNI one-shot strategies and their pure parts."""
