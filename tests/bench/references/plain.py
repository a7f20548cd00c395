"""The plainest authorizer: asks Revenium for every request, with the key from the environment."""

import os
from typing import Any

import requests


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answers a policy for the method that is called."""
    client_id = event["headers"]["clientId"]
    answer = requests.get(
        os.environ["REVENIUM_ENTITLEMENT_URL"],
        params={"application": client_id},
        headers={"x-api-key": os.environ["REVENIUM_API_KEY"]},
        timeout=3,
    )
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": "Allow" if answer.status_code == 200 else "Deny",
        "Resource": event["methodArn"],
    }
    return {
        "principalId": client_id,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"clientId": client_id},
    }
