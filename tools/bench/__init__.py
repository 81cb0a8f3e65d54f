"""The benchmark: this project's backends beside their peers and a C baseline, measured in one interleaved run."""
