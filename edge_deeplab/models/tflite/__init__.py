"""TFLite files read as networks to train."""
