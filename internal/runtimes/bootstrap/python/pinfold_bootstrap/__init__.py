"""The bootstrap of Python functions. It is a package so that its modules take no
name that a function's may have.

    life       from the first frame to the last: become a function, then serve it
    wire       frames on the two pipes
    invocation what is known about one invocation while it runs
    single     serves one invocation at a time
    several    serves several at a time
    streaming  answers that come in parts
    marshal_json, context, logs, records, faults    what a handler sees

Until HELLO it imports next to nothing: what a function does not need, it does
not wait for.
"""
