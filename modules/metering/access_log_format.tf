# API Gateway fills the slots without escaping. A caller who writes a quote into a header can therefore add keys after
# it, never before: what the gateway sets stands first, what the caller sets last, and a reader that keeps a key's
# first value cannot be lied to. Every slot is quoted, since a missing value is a bare `-`.
#
# Added fields stand between the two: whatever their values hold cannot reach what is billed, and no path or user agent
# reaches them. An authorizer's own, which may repeat what a caller said, come behind those that the gateway makes.
locals {
  access_log_variables = {
    rest = [
      "extendedRequestId", "apiId", "stage", "httpMethod", "resourcePath", "status", "error.responseType",
      "requestTimeEpoch", "responseLatency", "integrationLatency", "responseLength", "protocol", "domainName",
      "identity.sourceIp", "authorizer.clientId", "authorizer.principalId",
    ]
    http = [
      "extendedRequestId", "apiId", "stage", "httpMethod", "routeKey", "status", "error.responseType",
      "requestTimeEpoch", "responseLatency", "integrationLatency", "responseLength", "protocol", "domainName",
      "identity.sourceIp", "authorizer.clientId",
    ]
    websocket = [
      "extendedRequestId", "apiId", "stage", "routeKey", "eventType", "status", "error.responseType",
      "requestTimeEpoch", "integrationLatency", "domainName", "identity.sourceIp", "authorizer.clientId",
      "authorizer.principalId",
    ]
  }

  # Only REST has a requestId of its own: elsewhere it is the extendedRequestId, and every byte is paid for.
  access_log_caller_variables = {
    rest      = ["requestId", "path", "identity.userAgent"]
    http      = ["path", "identity.userAgent"]
    websocket = ["identity.userAgent"]
  }

  # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html and
  # its pages for HTTP and WebSocket APIs: what one kind lacks of the others' variables.
  access_log_lacks = {
    rest      = "^(dataProcessed|routeKey|eventType|connectionId|connectedAt|messageId|awsEndpointRequestId2|integrationErrorMessage)$"
    http      = "^(resource(Id|Path)|deploymentId|eventType|connectionId|connectedAt|messageId|isCanaryRequest|xrayTraceId|webaclArn|wafResponseCode|(waf|authenticate|authorize|requestOverride|responseOverride)\\..*|identity\\.(apiKeyId|vpcId|vpceId)|authorizer\\.principalId)$"
    websocket = "^(httpMethod|path|protocol|responseLength|responseLatency|integrationStatus|resource(Id|Path)|dataProcessed|deploymentId|isCanaryRequest|xrayTraceId|awsEndpointRequestId2|integrationErrorMessage|customDomain\\..*|(requestOverride|responseOverride|identity\\.clientCert)\\..*|identity\\.(vpcId|vpceId))$"
  }

  # A key is the last part of its variable's name, but for these.
  access_log_keys = { "error.responseType" = "errorType" }

  access_log_slots = {
    for kind, variables in local.access_log_variables : kind => concat(
      [for variable in variables : [lookup(local.access_log_keys, variable, reverse(split(".", variable))[0]), "$context.${variable}"]],
      [
        for key in concat(
          [for key, variable in var.extra_log_fields : key if !startswith(variable, "$context.authorizer.")],
          [for key, variable in var.extra_log_fields : key if startswith(variable, "$context.authorizer.")],
        ) : [key, var.extra_log_fields[key]]
        if !can(regex(local.access_log_lacks[kind], trimprefix(var.extra_log_fields[key], "$context.")))
      ],
      [for variable in local.access_log_caller_variables[kind] : [reverse(split(".", variable))[0], "$context.${variable}"]],
    )
  }

  # Not jsonencode, which sorts the keys.
  access_log_formats = {
    for kind, slots in local.access_log_slots : kind => format("{%s}", join(",", [for slot in slots : format("%q:%q", slot...)]))
  }
  access_log_format_max_length = 3072

  access_log_keys_of_ours = sort(distinct([
    for variable in concat(flatten(values(local.access_log_variables)), flatten(values(local.access_log_caller_variables))) :
    lookup(local.access_log_keys, variable, reverse(split(".", variable))[0])
  ]))
  access_log_readable_keys = concat(local.access_log_keys_of_ours, keys(var.extra_log_fields))
}
