"""A public web for functions of the emulated region on a machine that need not reach the real one."""
