"""Evaluates an execute-api policy as IAM does: an explicit denial wins, `*` and `?` are wildcards, no match is no."""

import re
from typing import Any


def allows(policy: dict[str, Any], arn: str) -> bool:
    matching = [
        statement["Effect"]
        for statement in policy["Statement"]
        if statement["Action"] == "execute-api:Invoke" and _matches(statement["Resource"], arn)
    ]
    return "Allow" in matching and "Deny" not in matching


def _matches(pattern: str, arn: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), arn, re.DOTALL) is not None
