"""`make bench`: measures the functions, each figure beside the same work done by references.

`bench.authorizer` and `bench.metering` measure and give `bench.report.Part`s; the command prints them, holds them to
their targets and draws docs/bench.svg.
"""
