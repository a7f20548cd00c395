"""A careful authorizer in the usual way: a boto3 client made at import reads the key once, urllib3 asks Revenium."""

import json
import os
from typing import Any

import boto3
import urllib3

_secrets = boto3.client("secretsmanager")
_http = urllib3.PoolManager()
_key = ""


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answers a policy for the method that is called."""
    global _key
    if not _key:
        secret = _secrets.get_secret_value(SecretId=os.environ["REVENIUM_API_KEY_SECRET_ARN"])
        _key = json.loads(secret["SecretString"])["api_key"]
    client_id = event["headers"]["clientId"]
    answer = _http.request(
        "GET",
        os.environ["REVENIUM_ENTITLEMENT_URL"],
        fields={"application": client_id},
        headers={"x-api-key": _key},
        timeout=3,
    )
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": "Allow" if answer.status == 200 else "Deny",
        "Resource": event["methodArn"],
    }
    return {
        "principalId": client_id,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"clientId": client_id},
    }
