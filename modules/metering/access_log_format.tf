# API Gateway fills the slots without escaping. A caller who writes a quote into a header can therefore add keys after
# it, never before: what the gateway sets stands first, what the caller sets last, and a reader that keeps a key's
# first value cannot be lied to. Every slot is quoted, since a missing value is a bare `-`.
locals {
  access_log_variables = {
    rest = [
      "extendedRequestId", "apiId", "stage", "httpMethod", "resourcePath", "status", "error.responseType",
      "requestTimeEpoch", "responseLatency", "integrationLatency", "responseLength", "protocol", "domainName",
      "identity.sourceIp", "authorizer.clientId", "authorizer.principalId", "requestId", "path", "identity.userAgent",
    ]
    # No requestId here and below: it is the extendedRequestId, and every byte is paid for.
    http = [
      "extendedRequestId", "apiId", "stage", "httpMethod", "routeKey", "status", "error.responseType",
      "requestTimeEpoch", "responseLatency", "integrationLatency", "responseLength", "protocol", "domainName",
      "identity.sourceIp", "authorizer.clientId", "path", "identity.userAgent",
    ]
    websocket = [
      "extendedRequestId", "apiId", "stage", "routeKey", "eventType", "connectionId", "messageId", "status",
      "error.responseType", "requestTimeEpoch", "integrationLatency", "domainName", "identity.sourceIp",
      "authorizer.clientId", "authorizer.principalId", "identity.userAgent",
    ]
  }

  # A key is the last part of its variable's name, but for these.
  access_log_keys = { "error.responseType" = "errorType" }

  # Not jsonencode, which sorts the keys.
  access_log_formats = {
    for kind, variables in local.access_log_variables : kind => format("{%s}", join(",", [
      for variable in variables :
      format("%q:%q", lookup(local.access_log_keys, variable, reverse(split(".", variable))[0]), "$context.${variable}")
    ]))
  }
}
