"""Training: crops, loss, schedule, the loop and its resumable state."""
