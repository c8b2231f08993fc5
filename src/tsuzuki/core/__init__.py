"""The pure rules of an execution: state, transitions, commands to events.

Everything here is synchronous and takes the time, ids and limits as arguments; nothing does I/O.
"""
