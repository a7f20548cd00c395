"""Drives the metering handler through a random schedule of faults and counts what was billed.

`PYTHONPATH=tests python -m chaos --seed 1 --events 20000` (or `make chaos SEED=1 EVENTS=20000`). Real: the handler,
in processes of its own, and SQS and Secrets Manager on the emulator. Stood in for: Revenium (`sandbox.revenium`) and
Lambda, whose part `chaos.functions` plays. `chaos.traffic` knows what each line has to become, `chaos.faults` what
goes wrong, `chaos.run` brings them together and holds the verdict.

The seed fixes the traffic, the faults and their order; how threads and processes interleave with them it cannot fix.
"""
