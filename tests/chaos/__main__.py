"""`python -m chaos --seed N --events N`: exit code 0 only if nothing is lost, doubled or parked by mistake."""

import argparse
import sys
from pathlib import Path

from chaos.run import Run, stand
from sandbox import REPOSITORY


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description="The metering handler under random faults.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--events", type=int, required=True, help="access-log lines")
    parser.add_argument("--functions", type=Path, default=REPOSITORY / "functions", help="sources to test")
    parser.add_argument(
        "--sabotage", default="", choices=["drop", "resend", "forget", "swallow"], help="break the function on purpose"
    )
    options = parser.parse_args()
    with stand() as at:
        run = Run(options.seed, options.events, options.functions, options.sabotage, at)
        last_line = run.run()
    if run.problems:
        print(*run.problems, sep="\n")
        print(f"FAILED. To repeat: make chaos SEED={options.seed} EVENTS={options.events}")
    print(last_line, flush=True)
    return 1 if run.problems else 0


if __name__ == "__main__":
    sys.exit(main())
