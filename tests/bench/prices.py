"""AWS's public list prices that metering's costs are made of, and what they come to for a million calls."""

from dataclasses import dataclass

# us-east-1, in dollars, as the pricing pages of CloudWatch, Lambda and SQS had them on 2026-11-25; without free tiers
# and volume discounts. https://aws.amazon.com/{cloudwatch,lambda,sqs}/pricing/
AS_OF = "2026-11-25"
LOG_INGESTION_PER_GB = 0.50
LAMBDA_ARM_PER_GB_SECOND = 0.0000133334
LAMBDA_X86_PER_GB_SECOND = 0.0000166667
LAMBDA_PER_MILLION_REQUESTS = 0.20
SQS_PER_MILLION_REQUESTS = 0.40

GB = 2**30
# START, END and REPORT, which Lambda itself writes for each invocation.
LOGGED_BY_LAMBDA = 330


@dataclass(frozen=True)
class Cost:
    """Dollars for a million calls."""

    access_log: float
    lambda_time: float
    lambda_requests: float
    function_log: float
    sqs: float

    @property
    def lambda_part(self) -> float:
        return self.lambda_time + self.lambda_requests

    @property
    def total(self) -> float:
        return self.access_log + self.lambda_part + self.function_log + self.sqs


def cost(
    line_bytes: int,
    gb_seconds: float,
    lines_per_event: int,
    logged_bytes: int,
    per_gb_second: float,
    sqs_requests_per_event: float = 0.0,
) -> Cost:
    """`gb_seconds` and `logged_bytes` are those of one event."""
    events = 1e6 / lines_per_event
    return Cost(
        access_log=line_bytes * 1e6 / GB * LOG_INGESTION_PER_GB,
        lambda_time=events * gb_seconds * per_gb_second,
        lambda_requests=events / 1e6 * LAMBDA_PER_MILLION_REQUESTS,
        function_log=events * (logged_bytes + LOGGED_BY_LAMBDA) / GB * LOG_INGESTION_PER_GB,
        sqs=events * sqs_requests_per_event / 1e6 * SQS_PER_MILLION_REQUESTS,
    )
