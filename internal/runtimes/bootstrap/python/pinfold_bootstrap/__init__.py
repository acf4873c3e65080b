"""The bootstrap of Python functions. It is a package so that its modules take no
name that a function's may have."""
