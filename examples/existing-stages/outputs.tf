output "dead_letter_queue_url" {
  description = "URL of the queue of records given up on."
  value       = module.revenium.dead_letter_queue_url
}

output "earlier_destinations" {
  description = "Where each stage logged to before, and will again when its entry goes; null for nowhere."
  value       = { for key, stage in module.revenium.existing_stages : key => stage.earlier_destination_arn }
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

output "stage_logging_function_name" {
  description = "Name of the function that switched the stages' logs on, to read its own."
  value       = module.revenium.stage_logging_function_name
}
