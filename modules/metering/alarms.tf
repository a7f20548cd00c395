# Without data nothing was called, or nothing went wrong: it is not breaching. An empty queue that nobody asks has none
# either, one with messages in it has.
locals {
  alarms = var.monitoring == null ? [] : concat(
    ["dead-letters", "delivery-errors", "errors", "key-refused", "queued", "throttles"],
    [for group in keys(local.existing_log_groups) : "delivery-errors-${group}"],
    length(var.monitoring.stages) == 0 ? [] : ["missing"],
  )
  alarm_names = { for alarm in local.alarms : alarm => "${local.function_name}-${alarm}" }
  # Built here, so that a plan knows what the dashboard shows.
  alarm_arns = { for alarm, name in local.alarm_names : alarm => "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${name}" }

  alarm_actions = try(var.monitoring.alarm_actions, [])

  # What the metrics of a subscription filter are told apart by.
  own_filter_dimensions = {
    DestinationType = "Lambda"
    FilterName      = local.function_name
    LogGroupName    = local.new_log_group_name
  }
  existing_filter_dimensions = {
    for key, arn in local.existing_log_groups : key => {
      DestinationType = "Lambda"
      FilterName      = coalesce(var.existing_log_groups[key].filter_name, local.function_name)
      LogGroupName    = split(":", arn)[6]
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  count = contains(local.alarms, "dead-letters") ? 1 : 0

  alarm_name          = local.alarm_names["dead-letters"]
  alarm_description   = "Usage lies in the dead-letter queue: nobody is billed for it until it is redriven, and after 14 days it is gone. See docs/runbook.md, \"Dead letters\"."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = local.dead_letter_queue_name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.monitoring.thresholds.dead_letters
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "queued" {
  count = contains(local.alarms, "queued") ? 1 : 0

  alarm_name          = local.alarm_names["queued"]
  alarm_description   = "The oldest usage in the retry queue has waited for more than ${local.queued_hours} hours: invoices lack it, and after ${var.retry_hours} hours of trying it becomes a dead letter. See docs/runbook.md, \"Usage waits in the retry queue\"."
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.queued_hours * 3600
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags

  metric_query {
    id    = "age"
    label = "age of the oldest record, in seconds"
    # What is tried again is sent as a new message, so SQS's age starts anew each time: it tells of messages that nobody
    # receives, the function's of those that fail.
    expression  = "MAX([FILL(waiting, 0), FILL(tried, 0) / 1000])"
    return_data = true
  }

  metric_query {
    id = "waiting"

    metric {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = local.retry_queue_name }
      stat        = "Maximum"
      period      = local.queued_period
    }
  }

  metric_query {
    id = "tried"

    metric {
      namespace   = "Revenium"
      metric_name = "QueuedFor"
      dimensions  = { FunctionName = local.function_name }
      stat        = "Maximum"
      period      = local.queued_period
    }
  }
}

locals {
  queued_hours = try(coalesce(var.monitoring.thresholds.queued_hours, min(4, var.retry_hours / 2)), null)

  # Twice the longest time between two tries of a message: a record that waits is seen in each period.
  queued_period = 30 * 60
}

resource "aws_cloudwatch_metric_alarm" "delivery_errors" {
  count = contains(local.alarms, "delivery-errors") ? 1 : 0

  alarm_name          = local.alarm_names["delivery-errors"]
  alarm_description   = "CloudWatch could not hand access-log lines over to the metering function: calls go unbilled, for good where the function or its permission is missing. See docs/runbook.md, \"Access-log lines are not handed over\"."
  namespace           = "AWS/Logs"
  metric_name         = "DeliveryErrors"
  dimensions          = local.own_filter_dimensions
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.monitoring.thresholds.delivery_errors
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "delivery_errors_existing" {
  for_each = var.monitoring == null ? {} : local.existing_filter_dimensions

  alarm_name          = local.alarm_names["delivery-errors-${each.key}"]
  alarm_description   = "CloudWatch could not hand access-log lines of an existing log group over to the metering function: calls go unbilled, for good where the function or its permission is missing. See docs/runbook.md, \"Access-log lines are not handed over\"."
  namespace           = "AWS/Logs"
  metric_name         = "DeliveryErrors"
  dimensions          = each.value
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.monitoring.thresholds.delivery_errors
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  count = contains(local.alarms, "errors") ? 1 : 0

  alarm_name          = local.alarm_names["errors"]
  alarm_description   = "The metering function fails: an event that it fails on three times becomes a dead letter, and its calls are billed to nobody until it is redriven. See docs/runbook.md, \"The metering function fails\"."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = local.function_name }
  statistic           = "Sum"
  period              = 900
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.monitoring.thresholds.metering_errors
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "throttles" {
  count = contains(local.alarms, "throttles") ? 1 : 0

  alarm_name          = local.alarm_names["throttles"]
  alarm_description   = "The metering function is throttled for 15 minutes: billing is late, and what Lambda could not start for 6 hours becomes a dead letter. See docs/runbook.md, \"The metering function is throttled\"."
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = local.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.monitoring.thresholds.metering_throttles
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "key_refused" {
  count = contains(local.alarms, "key-refused") ? 1 : 0

  alarm_name          = local.alarm_names["key-refused"]
  alarm_description   = "Metering has no API key that Revenium takes: usage waits in the retry queue, and nobody is billed until there is one. See docs/runbook.md, \"Revenium refuses the key\"."
  namespace           = "Revenium"
  metric_name         = "KeyRefused"
  dimensions          = { FunctionName = local.function_name }
  statistic           = "Sum"
  period              = 900
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.monitoring.thresholds.key_refused
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}
