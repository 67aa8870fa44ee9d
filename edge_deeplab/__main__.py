"""`python -m edge_deeplab` is the `edge-deeplab` console script."""

from edge_deeplab.cli.app import main

if __name__ == "__main__":
    main()
