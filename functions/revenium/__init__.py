"""What the functions share: settings, the API key, the HTTP transport, logging and metrics."""
