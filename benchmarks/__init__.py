"""How fast Tsuzuki is, beside a bare disk, the Temporal development server and DBOS, in one run.

`python -m benchmarks` prints the table, `python -m benchmarks profile b` shows where the time goes.
Every ratio comes from rounds that alternate between the two things compared, so that a busy machine
slows both. Nothing here is a test: a number never decides whether the build is green.
"""
