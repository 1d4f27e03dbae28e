"""What a search found, what it cost, which settings matter."""
