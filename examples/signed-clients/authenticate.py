"""Who is calling: whoever signed `<clientId>.<x-timestamp>` with the deployment's secret, within the last 5 minutes."""

import hashlib
import hmac
import time

MAX_AGE_SECONDS = 300


def authenticate(request) -> str | None:
    """The client id, or None to turn the caller away. Only identity sources are looked at: API Gateway repeats the
    answer to calls that agree in them.
    """
    timestamp = request.headers.get("x-timestamp", "")
    signature = request.headers.get("x-signature", "")
    if not request.client_id or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 10):
        return None
    # A signature from the future would be good for too long.
    if abs(time.time() - int(timestamp)) > MAX_AGE_SECONDS:
        return None
    message = f"{request.client_id}.{timestamp}"
    expected = hmac.new(request.secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    # As bytes: text beyond ASCII raises an error.
    return request.client_id if hmac.compare_digest(signature.encode(), expected.encode()) else None
