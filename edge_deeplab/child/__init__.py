"""Foreign code and a stranger's file meet in a child process whose memory and time are bounded (ARCHITECTURE: runtimes,
checker and tools share this one).

`bounded` is the parent's side, `worker` what runs inside, `messages` what they say to each other, `limits` how much a
file may take. Nothing here knows what a file is.
"""
