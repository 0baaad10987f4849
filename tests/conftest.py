"""What holds for every test: the processes it starts can be told to end by Ctrl-C.

A shell that runs the tests in the background has them ignore SIGINT, and what they start would inherit that.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
