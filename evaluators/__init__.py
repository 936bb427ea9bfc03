"""What a good embedding is: losses, retrieval, the NNI evaluator."""
