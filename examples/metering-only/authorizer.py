"""Stands in for your own authorizer: it knows callers by a token, and names the client that a call is billed to."""

import hashlib
import json
import os

CLIENTS = json.loads(os.environ["CLIENTS"])  # SHA-256 of a token, in hex: client id


def handler(event: dict, context: object) -> dict:
    token = event["identitySource"][0]
    client_id = CLIENTS.get(hashlib.sha256(token.encode()).hexdigest())
    if client_id is None:
        return {"isAuthorized": False}
    return {"isAuthorized": True, "context": {"clientId": client_id}}
