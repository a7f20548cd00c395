output "access_log_settings" {
  description = "What a stage's `access_log_settings` block takes, by the kind of API: `rest`, `http`, `websocket`. Known once metering is fully wired, so that a stage that uses it loses no usage."
  value = {
    for kind, format in local.access_log_formats : kind => {
      destination_arn = local.log_group_arn
      format          = format
    }
  }

  precondition {
    condition     = alltrue([for format in values(local.access_log_formats) : length(format) <= local.access_log_format_max_length])
    error_message = "`extra_log_fields` must leave each access-log format at ${local.access_log_format_max_length} characters, which is all that API Gateway takes. Leave out what nothing reads, or shorten the keys."
  }

  depends_on = [aws_cloudwatch_log_subscription_filter.existing, aws_cloudwatch_log_subscription_filter.this]
}

output "alarm_arns" {
  description = "ARNs of the alarms, for a composite alarm of yours or to mute them during maintenance."
  value       = values(local.alarm_arns)

  depends_on = [
    aws_cloudwatch_metric_alarm.dead_letters,
    aws_cloudwatch_metric_alarm.delivery_errors,
    aws_cloudwatch_metric_alarm.delivery_errors_existing,
    aws_cloudwatch_metric_alarm.errors,
    aws_cloudwatch_metric_alarm.key_refused,
    aws_cloudwatch_metric_alarm.queued,
    aws_cloudwatch_metric_alarm.throttles,
    aws_cloudwatch_metric_alarm.missing,
  ]
}

output "api_key_secret_arn" {
  description = "ARN of the secret with the Revenium API key, for another module or function that needs the key."
  value       = local.api_key_secret_arn

  depends_on = [aws_secretsmanager_secret_version.api_key]
}

output "dead_letter_queue_arn" {
  description = "ARN of the queue of records given up on, to start a redrive with or to alarm on."
  value       = aws_sqs_queue.dead_letter.arn
}

output "dead_letter_queue_url" {
  description = "URL of the queue of records given up on, to look into it."
  value       = aws_sqs_queue.dead_letter.url
}

output "existing_stages" {
  description = "What each stage of `existing_stages` logged to before it was metered, and gets back when its entry goes, by the same keys: `earlier_destination_arn`, null for nothing."
  value = {
    for key, invocation in aws_lambda_invocation.switch_on : key => {
      earlier_destination_arn = try(jsondecode(invocation.result).earlier.destination_arn, null)
    }
  }
}

output "function_arn" {
  description = "ARN of the metering function, to name it in alarms and policies."
  value       = module.function.arn
}

output "function_name" {
  description = "Name of the metering function, to find its logs and metrics."
  value       = module.function.name
}

output "log_group_arn" {
  description = "ARN of the access-log group, without a trailing `:*`, as stages take it."
  value       = local.log_group_arn

  depends_on = [aws_cloudwatch_log_group.access]
}

output "log_group_name" {
  description = "Name of the access-log group, to read or tail it."
  value       = local.log_group_name
}

output "retry_queue_arn" {
  description = "ARN of the queue of records to be sent again, as the target of a redrive or to alarm on."
  value       = aws_sqs_queue.retry.arn
}

output "retry_queue_url" {
  description = "URL of the queue of records to be sent again, to look into it."
  value       = aws_sqs_queue.retry.url
}

output "role_arn" {
  description = "ARN of the metering function's role, to name it in a key's or a secret's own policy."
  value       = module.function.role_arn
}

output "role_policy" {
  description = "What the function's role allows, as one JSON policy: what a role of yours in `functions.roles` has to allow."
  value       = module.function.role_policy
}

output "stage_logging_function_name" {
  description = "Name of the function that switches access logs on at `existing_stages`, to find its logs. Null without such stages."
  value       = one(module.stage_logging[*].name)
}

output "stage_logging_role_policy" {
  description = "The same of the function that switches access logs on. Null without `existing_stages`."
  value       = one(module.stage_logging[*].role_policy)
}
