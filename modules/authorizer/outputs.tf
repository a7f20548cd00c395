output "alarm_arns" {
  description = "ARNs of the alarms, for a composite alarm of yours or to mute them during maintenance."
  value       = values(local.alarm_arns)

  depends_on = [
    aws_cloudwatch_metric_alarm.fail_open,
    aws_cloudwatch_metric_alarm.failures,
    aws_cloudwatch_metric_alarm.key_refused,
    aws_cloudwatch_metric_alarm.no_decision,
  ]
}

output "function_arn" {
  description = "ARN of the authorizer function, to name it in a policy of yours."
  value       = module.function.arn
}

output "function_invoke_arn" {
  description = "What an authorizer of your own takes as its `authorizer_uri`, such as a `TOKEN` authorizer or one with payload 1.0; it needs an `aws_lambda_permission` of its own."
  value       = module.function.invoke_arn

  depends_on = [aws_secretsmanager_secret_version.api_key]
}

output "function_name" {
  description = "Name of the authorizer function, to find its logs and metrics."
  value       = module.function.name
}

output "http_authorizer_ids" {
  description = "Ids of the authorizers on HTTP APIs, by the keys of `http_apis`: a route's `authorizer_id`, with `authorization_type = \"CUSTOM\"`."
  value       = { for key, authorizer in aws_apigatewayv2_authorizer.this : key => authorizer.id }

  depends_on = [aws_lambda_permission.http, aws_secretsmanager_secret_version.api_key]
}

output "redeployment_hash" {
  description = "Changes when the authorizers on REST and WebSocket APIs or the denial responses do: put it into the `triggers` of your `aws_api_gateway_deployment` or `aws_apigatewayv2_deployment`, as these APIs take a change up with their next deployment only."
  value = sha256(jsonencode([
    local.function_name,
    local.rest_identity_source,
    local.gateway_cache_seconds,
    local.gateway_identity_sources.websocket,
    local.denial_responses,
    local.denial_headers,
  ]))

  depends_on = [aws_api_gateway_authorizer.this, aws_api_gateway_gateway_response.denial, aws_apigatewayv2_authorizer.websocket]
}

output "rest_authorizer_ids" {
  description = "Ids of the authorizers on REST APIs, by the keys of `rest_apis`: a method's `authorizer_id`, with `authorization = \"CUSTOM\"`."
  value       = { for key, authorizer in aws_api_gateway_authorizer.this : key => authorizer.id }

  depends_on = [aws_lambda_permission.rest, aws_secretsmanager_secret_version.api_key]
}

output "role_arn" {
  description = "ARN of the authorizer function's role, to name it in a key's or a secret's own policy."
  value       = module.function.role_arn
}

output "role_policy" {
  description = "What the function's role allows, as one JSON policy: what a role of yours in `functions.roles` has to allow."
  value       = module.function.role_policy
}

output "websocket_authorizer_ids" {
  description = "Ids of the authorizers on WebSocket APIs, by the keys of `websocket_apis`: the `authorizer_id` of the route `$connect`, with `authorization_type = \"CUSTOM\"`."
  value       = { for key, authorizer in aws_apigatewayv2_authorizer.websocket : key => authorizer.id }

  depends_on = [aws_lambda_permission.websocket, aws_secretsmanager_secret_version.api_key]
}
