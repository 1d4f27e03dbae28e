"""Which runs may be compared, and how much higher one scores than another: no TensorFlow."""
