output "authorizer_function_name" {
  description = "Name of the authorizer function, to read its logs."
  value       = module.revenium.authorizer_function_name
}

output "dead_letter_queue_url" {
  description = "URL of the queue of records given up on."
  value       = module.revenium.dead_letter_queue_url
}

output "invoke_urls" {
  description = "URLs of the APIs' stages by name, without a trailing slash; append `/status`."
  value = merge(
    { for name, stage in aws_api_gateway_stage.this : name => stage.invoke_url },
    { for name, stage in aws_apigatewayv2_stage.this : name => trimsuffix(stage.invoke_url, "/") },
  )
}

output "log_group_name" {
  description = "Name of the access-log group, to tail what is metered."
  value       = module.revenium.log_group_name
}

output "metering_function_name" {
  description = "Name of the metering function, to read its logs."
  value       = module.revenium.metering_function_name
}

output "retry_queue_url" {
  description = "URL of the queue of records to be sent again."
  value       = module.revenium.retry_queue_url
}
