"""The same scenario on different workers and engines must leave the same history, event by event.

A scenario is a user program written for the official `temporalio` package. For our side only its import
lines are changed, which is what the documentation promises a user.
"""
