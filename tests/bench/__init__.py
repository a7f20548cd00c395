"""`make bench`: measures the functions, each figure beside the same work done by references.

`bench.authorizer` measures a part and gives a `bench.report.Part`; the command prints it and holds it to its targets.
"""
