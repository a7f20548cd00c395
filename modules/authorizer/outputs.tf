output "function_arn" {
  description = "ARN of the authorizer function, to build a WebSocket or hand-made authorizer on."
  value       = aws_lambda_function.this.arn
}

output "function_name" {
  description = "Name of the authorizer function, to find its logs and metrics."
  value       = aws_lambda_function.this.function_name
}

output "http_authorizer_ids" {
  description = "Ids of the authorizers on HTTP APIs, by the keys of `http_apis`: a route's `authorizer_id`, with `authorization_type = \"CUSTOM\"`."
  value       = { for key, authorizer in aws_apigatewayv2_authorizer.this : key => authorizer.id }

  depends_on = [aws_iam_role_policy.api_key, aws_lambda_permission.http, aws_secretsmanager_secret_version.api_key]
}

output "redeployment_hash" {
  description = "Changes when the authorizers on REST APIs do: put it into the `triggers` of your `aws_api_gateway_deployment`, as a REST API takes a changed authorizer up with its next deployment only."
  value       = sha256(jsonencode([local.function_name, local.rest_identity_source, var.cache_ttl_seconds]))

  depends_on = [aws_api_gateway_authorizer.this]
}

output "rest_authorizer_ids" {
  description = "Ids of the authorizers on REST APIs, by the keys of `rest_apis`: a method's `authorizer_id`, with `authorization = \"CUSTOM\"`."
  value       = { for key, authorizer in aws_api_gateway_authorizer.this : key => authorizer.id }

  depends_on = [aws_iam_role_policy.api_key, aws_lambda_permission.rest, aws_secretsmanager_secret_version.api_key]
}

output "role_arn" {
  description = "ARN of the authorizer function's role, to name it in a key's or a secret's own policy."
  value       = aws_iam_role.function.arn
}
