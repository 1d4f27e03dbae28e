"""Pictures of ground truth and prediction."""
