"""Authorizes API Gateway callers by their Revenium entitlement."""
