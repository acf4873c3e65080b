"""What Python is started with. It is small because scripts are compiled on
every start, and modules only once."""

import sys

from pinfold_bootstrap import loop

sys.dont_write_bytecode = True  # a function's code is read-only
loop.main()
