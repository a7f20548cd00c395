"""Meters as the function of Revenium's own CloudFormation template does: one POST for each line, one after the other,
each over a new connection, without timeout or retry. A refused record is printed and lost; a line that is no JSON fails
the whole event, which Lambda then sends again.
"""

import base64
import gzip
import json
import os
import urllib.error
import urllib.request
from typing import Any


def handler(event: Any, context: Any) -> None:
    """Takes what a CloudWatch Logs subscription sends."""
    data = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    for log_event in data["logEvents"]:
        line = json.loads(log_event["message"])
        record = {
            "application": line["principalId"],
            "method": line["httpMethod"],
            "url": line["path"],
            "responseCode": int(line["status"]),
            "remoteHost": line["sourceIp"],
            "requestHeaders": [],
            "responseHeaders": [],
            "elements": [],
            "source": "AWS",
        }
        # The gateway's mark for "no value" is sent as it is, which Revenium refuses.
        record |= {
            ours: int(line[theirs]) if line[theirs].isdigit() else line[theirs]
            for ours, theirs in (("backendLatency", "integrationLatency"), ("responseMessageSize", "responseLength"))
        }
        request = urllib.request.Request(
            os.environ["REVENIUM_PLATFORM_API"],
            json.dumps(record).encode(),
            {"Content-Type": "application/json", "x-api-key": os.environ["REVENIUM_PLATFORM_API_KEY"]},
        )
        try:
            urllib.request.urlopen(request).close()
        except urllib.error.HTTPError as error:
            print(error)
