"""What both functions share: settings, the API key, the HTTP transport, logging and metrics."""
