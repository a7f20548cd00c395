"""Meters API Gateway access logs into Revenium."""
