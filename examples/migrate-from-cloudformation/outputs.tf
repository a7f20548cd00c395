output "dead_letter_queue_url" {
  description = "URL of the queue of records given up on."
  value       = module.revenium.dead_letter_queue_url
}

output "log_group_name" {
  description = "Name of the module's own access-log group, which the stages of `stages` write to."
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
