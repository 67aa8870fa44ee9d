"""What is wrong with a data set, all of it in one run, and what its splits hold."""
