"""What Python is started with: "main.py", or "main.py ahead" for a cell that
waits for its function and can do beforehand what that is likely to need. It is
small because scripts are compiled on every start, and modules only once."""

import sys

from pinfold_bootstrap import life

sys.dont_write_bytecode = True  # a function's code is read-only
life.main(sys.argv)
