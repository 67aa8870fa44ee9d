"""What is known of files and what they come from, on one self-contained page: what is known, how it is drawn."""
