"""What is learned from the features. One folder a model; what several share stands beside them."""
