# The calls that API Gateway counted, beside what became of them.
locals {
  # CloudWatch knows REST APIs by their name, HTTP APIs by their id.
  monitored_stages = {
    for key, stage in var.monitoring == null ? {} : var.monitoring.stages : key => (
      stage.api_name == null ?
      tomap({ ApiId = stage.api_id, Stage = stage.stage }) :
      tomap({ ApiName = stage.api_name, Stage = stage.stage })
    )
  }
  reconciles = length(local.monitored_stages) > 0

  # With a status filter the function never sees the lines that CloudWatch leaves out.
  drops_lines = local.status_pattern != "" && length(local.status_pattern) <= local.pattern_max_length

  reconciliation_metrics = merge(
    {
      for index, key in keys(local.monitored_stages) : "calls${index}" => {
        namespace  = "AWS/ApiGateway"
        name       = "Count"
        dimensions = local.monitored_stages[key]
        # Each call is a sample: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
        stat = "SampleCount"
      }
    },
    {
      for id, name in { delivered = "Delivered", skipped = "Skipped", waiting = "QueueGrowth" } : id => {
        namespace                 = "Revenium"
        name                      = name
        dimensions                = { FunctionName = local.function_name }
        stat                      = "Sum"
      }
    },
    {
      for id, metric in {
        logged    = { name = "IncomingLogEvents", dimensions = tomap({ LogGroupName = local.new_log_group_name }) }
        forwarded = { name = "ForwardedLogEvents", dimensions = tomap(local.own_filter_dimensions) }
      } : id => merge(metric, { namespace = "AWS/Logs", stat = "Sum" }) if local.drops_lines
    },
  )
  reconciliation_expressions = {
    calls = join(" + ", [for index, _ in keys(local.monitored_stages) : "FILL(calls${index}, 0)"])
    unbilled = join("", [
      "calls - FILL(delivered, 0) - FILL(skipped, 0)",
      # What CloudWatch left out. Where it hands over nothing at all, the filter is gone, and nothing was left out.
      local.drops_lines ? " - IF(FILL(forwarded, 0) > 0, FILL(logged, 0) - FILL(forwarded, 0), 0)" : "",
    ])
    missing = "unbilled - FILL(waiting, 0)"
  }
}

resource "aws_cloudwatch_metric_alarm" "missing" {
  count = contains(local.alarms, "missing") ? 1 : 0

  alarm_name          = local.alarm_names["missing"]
  alarm_description   = "Of the calls that API Gateway counted in a day, this many are neither billed nor skipped, nor wait in the retry queue: they are dead letters, or were lost on the way. See docs/runbook.md, \"Calls are missing\"."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.monitoring.thresholds.missing_calls
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags

  metric_query {
    id          = "alarming"
    label       = "calls of a day that are missing"
    expression  = "IF(missing > calls * ${var.monitoring.thresholds.missing_percent} / 100, missing, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.reconciliation_expressions

    content {
      id         = metric_query.key
      expression = metric_query.value
    }
  }

  dynamic "metric_query" {
    for_each = local.reconciliation_metrics

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.stat
        # A day begins and ends at the same hour: what is on its way at both ends cancels out.
        period = 24 * 60 * 60
      }
    }
  }
}
