output "access_log_settings" {
  description = "What a stage's `access_log_settings` block takes, by the kind of API: `rest`, `http`, `websocket`. Known once metering is fully wired, so that a stage that uses it loses no usage. Null without metering."
  value       = one(module.metering[*].access_log_settings)
}

output "alarm_arns" {
  description = "ARNs of all alarms, for a composite alarm of yours or to mute them during maintenance."
  value       = concat(flatten(module.metering[*].alarm_arns), flatten(module.authorizer[*].alarm_arns))
}

output "api_key_secret_arn" {
  description = "ARN of the secret that metering reads the Revenium API key from, for another module or function that needs the key. Null without metering."
  value       = one(module.metering[*].api_key_secret_arn)
}

output "authorizer_function_arn" {
  description = "ARN of the authorizer function, to name it in a policy of yours. Null without the authorizer."
  value       = one(module.authorizer[*].function_arn)
}

output "authorizer_function_invoke_arn" {
  description = "What an authorizer of your own takes as its `authorizer_uri`, such as a `TOKEN` authorizer or one with payload 1.0; it needs an `aws_lambda_permission` of its own. Null without the authorizer."
  value       = one(module.authorizer[*].function_invoke_arn)
}

output "authorizer_function_name" {
  description = "Name of the authorizer function, to find its logs and metrics. Null without the authorizer."
  value       = one(module.authorizer[*].function_name)
}

output "authorizer_role_arn" {
  description = "ARN of the authorizer function's role, to name it in a key's or a secret's own policy. Null without the authorizer."
  value       = one(module.authorizer[*].role_arn)
}

output "dead_letter_queue_arn" {
  description = "ARN of the queue of records given up on, to start a redrive with or to alarm on. Null without metering."
  value       = one(module.metering[*].dead_letter_queue_arn)
}

output "dead_letter_queue_url" {
  description = "URL of the queue of records given up on, to look into it. Null without metering."
  value       = one(module.metering[*].dead_letter_queue_url)
}

output "existing_stages" {
  description = "What each stage of `existing_stages` logged to before it was metered, and gets back when its entry goes, by the same keys: `earlier_destination_arn`, null for nothing."
  value       = var.metering == null ? {} : module.metering[0].existing_stages
}

output "http_authorizer_ids" {
  description = "Ids of the authorizers on HTTP APIs, by the keys of `http_apis`: a route's `authorizer_id`, with `authorization_type = \"CUSTOM\"`."
  value       = var.authorizer == null ? {} : module.authorizer[0].http_authorizer_ids
}

output "log_group_arn" {
  description = "ARN of the access-log group, without a trailing `:*`, as stages take it. Null without metering."
  value       = one(module.metering[*].log_group_arn)
}

output "log_group_name" {
  description = "Name of the access-log group, to read or tail it. Null without metering."
  value       = one(module.metering[*].log_group_name)
}

output "metering_function_arn" {
  description = "ARN of the metering function, to name it in alarms and policies. Null without metering."
  value       = one(module.metering[*].function_arn)
}

output "metering_function_name" {
  description = "Name of the metering function, to find its logs and metrics. Null without metering."
  value       = one(module.metering[*].function_name)
}

output "metering_role_arn" {
  description = "ARN of the metering function's role, to name it in a key's or a secret's own policy. Null without metering."
  value       = one(module.metering[*].role_arn)
}

output "redeployment_hash" {
  description = "Changes when the authorizers on REST and WebSocket APIs or the denial responses do: put it into the `triggers` of your `aws_api_gateway_deployment` or `aws_apigatewayv2_deployment`, as these APIs take a change up with their next deployment only. Null without the authorizer."
  value       = one(module.authorizer[*].redeployment_hash)
}

output "rest_authorizer_ids" {
  description = "Ids of the authorizers on REST APIs, by the keys of `rest_apis`: a method's `authorizer_id`, with `authorization = \"CUSTOM\"`."
  value       = var.authorizer == null ? {} : module.authorizer[0].rest_authorizer_ids
}

output "retry_queue_arn" {
  description = "ARN of the queue of records to be sent again, as the target of a redrive or to alarm on. Null without metering."
  value       = one(module.metering[*].retry_queue_arn)
}

output "retry_queue_url" {
  description = "URL of the queue of records to be sent again, to look into it. Null without metering."
  value       = one(module.metering[*].retry_queue_url)
}

output "role_policies" {
  description = "What each function's role allows, as JSON policies by `metering`, `authorizer` and `stage_logging`: what a role of yours in `functions.roles` has to allow. Null for a function that is not made."
  value = {
    authorizer    = one(module.authorizer[*].role_policy)
    metering      = one(module.metering[*].role_policy)
    stage_logging = one(module.metering[*].stage_logging_role_policy)
  }
}

output "stage_logging_function_name" {
  description = "Name of the function that switches access logs on at `existing_stages`, to find its logs. Null without such stages."
  value       = one(module.metering[*].stage_logging_function_name)
}

output "websocket_authorizer_ids" {
  description = "Ids of the authorizers on WebSocket APIs, by the keys of `websocket_apis`: the `authorizer_id` of the route `$connect`, with `authorization_type = \"CUSTOM\"`."
  value       = var.authorizer == null ? {} : module.authorizer[0].websocket_authorizer_ids
}
