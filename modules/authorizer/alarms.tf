# Without data nobody was answered, and nothing went wrong: it is not breaching.
locals {
  alarms = var.monitoring == null ? [] : concat(
    ["failures", "key-refused", "no-decision"],
    # Otherwise nobody is let in that way.
    var.on_error == "allow" ? ["fail-open"] : [],
  )
  alarm_names = { for alarm in local.alarms : alarm => "${local.function_name}-${alarm}" }
  # Built here, so that a plan knows what the dashboard shows.
  alarm_arns = { for alarm, name in local.alarm_names : alarm => "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${name}" }

  alarm_actions = try(var.monitoring.alarm_actions, [])
}

resource "aws_cloudwatch_metric_alarm" "failures" {
  count = contains(local.alarms, "failures") ? 1 : 0

  alarm_name          = local.alarm_names["failures"]
  alarm_description   = "The authorizer failed or was throttled: callers get 500 although they may be entitled. See docs/runbook.md, \"The authorizer fails\"."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.monitoring.thresholds.authorizer_failures
  # Three bad minutes of 15: a single one wakes nobody, and where calls are rare they add up.
  evaluation_periods  = 15
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags

  metric_query {
    id          = "failures"
    label       = "failed and throttled invocations"
    expression  = "FILL(errors, 0) + FILL(throttles, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = toset(["Errors", "Throttles"])

    content {
      id = lower(metric_query.value)

      metric {
        namespace   = "AWS/Lambda"
        metric_name = metric_query.value
        dimensions  = { FunctionName = local.function_name }
        stat        = "Sum"
        period      = 60
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "key_refused" {
  count = contains(local.alarms, "key-refused") ? 1 : 0

  alarm_name          = local.alarm_names["key-refused"]
  alarm_description   = "The authorizer has no API key that Revenium takes: callers without an earlier decision are turned away, or let in unasked with `on_error = \"allow\"`. See docs/runbook.md, \"Revenium refuses the key\"."
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

resource "aws_cloudwatch_metric_alarm" "no_decision" {
  count = contains(local.alarms, "no-decision") ? 1 : 0

  alarm_name          = local.alarm_names["no-decision"]
  alarm_description   = "Revenium gives no decision about callers, and none from the last `stale_seconds` is known, or the hook fails: they are turned away, or, where Revenium is in trouble, let in with `on_error = \"allow\"`. See docs/runbook.md, \"Callers are not decided about\"."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.monitoring.thresholds.no_decision_percent
  # Three bad periods of the last six: a single one wakes nobody, and where calls are rare they add up.
  evaluation_periods  = 6
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags

  metric_query {
    id          = "undecided"
    label       = "share of answers without a decision, of now or before, in percent"
    expression  = "100 * (errors - stale) / (allowed + denied)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = toset(["Allowed", "Denied", "Errors", "Stale"])

    content {
      id = lower(metric_query.value)

      metric {
        namespace   = "Revenium"
        metric_name = metric_query.value
        dimensions  = { FunctionName = local.function_name }
        stat        = "Sum"
        period      = 300
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "fail_open" {
  count = contains(local.alarms, "fail-open") ? 1 : 0

  alarm_name          = local.alarm_names["fail-open"]
  alarm_description   = "Callers are let in whom Revenium could not be asked about, as `on_error = \"allow\"` has it; their usage is billed. See docs/runbook.md, \"Callers are let in unasked\"."
  namespace           = "Revenium"
  metric_name         = "FailOpen"
  dimensions          = { FunctionName = local.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.monitoring.thresholds.fail_open
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}
