"""A backend whose import takes the process with it."""

import os

os.abort()
