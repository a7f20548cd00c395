"""The example's backend: it accepts a connection, and repeats what is said."""

import json


def handler(event: dict, context: object) -> dict:
    if event["requestContext"]["eventType"] != "MESSAGE":
        return {"statusCode": 200}
    said = json.loads(event["body"]).get("text", "")
    return {"statusCode": 200, "body": json.dumps({"you said": said})}
