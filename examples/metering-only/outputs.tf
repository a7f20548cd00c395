output "dead_letter_queue_url" {
  description = "URL of the queue of records given up on."
  value       = module.revenium.dead_letter_queue_url
}

output "invoke_url" {
  description = "URL of the API's stage, without a trailing slash; append `/products`."
  value       = trimsuffix(aws_apigatewayv2_stage.this.invoke_url, "/")
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
