# Read from top to bottom: is money or access at stake, what became of the calls, and why.
locals {
  # The same thing has the same colour everywhere.
  blue   = "#1f77b4" # everything; the middle of many
  green  = "#2ca02c" # delivered, accepted, allowed
  grey   = "#7f7f7f" # skipped, denied
  amber  = "#ff9900" # queued, slow, repeated
  red    = "#d62728" # dead-lettered, failed, lost
  purple = "#9467bd" # what must not happen unnoticed: let in unasked, the key refused

  metering_is          = ["FunctionName", local.function_name]
  retry_queue_is       = ["QueueName", local.retry_queue_name]
  dead_letter_queue_is = ["QueueName", local.dead_letter_queue_name]
  authorizer_is        = ["FunctionName", var.authorizer == null ? "" : var.authorizer.function_name]

  filters_are = [
    for filter in concat([local.own_filter_dimensions], values(local.existing_filter_dimensions)) :
    ["LogGroupName", filter.LogGroupName, "DestinationType", filter.DestinationType, "FilterName", filter.FilterName]
  ]

  queued_age = [
    concat(["AWS/SQS", "ApproximateAgeOfOldestMessage"], local.retry_queue_is, [{ id = "age_in_queue", stat = "Maximum", visible = false }]),
    concat(["Revenium", "QueuedFor"], local.metering_is, [{ id = "tried", stat = "Maximum", visible = false }]),
  ]
  queued_age_in_hours = "MAX([FILL(age_in_queue, 0), FILL(tried, 0) / 1000]) / 3600"

  reconciliation = concat(
    [for id, metric in local.reconciliation_metrics : concat(
      [metric.namespace, metric.name],
      flatten([for name, value in metric.dimensions : [name, value]]),
      [{ id = id, stat = metric.stat, visible = false }],
    )],
    [for filter in local.drops_lines ? [] : [local.filters_are[0]] : concat(
      ["AWS/Logs", "ForwardedLogEvents"], filter, [{ id = "forwarded", stat = "Sum", visible = false }],
    )],
    [for index, filter in slice(local.filters_are, 1, length(local.filters_are)) : concat(
      ["AWS/Logs", "ForwardedLogEvents"], filter, [{ id = "forwarded${index}", stat = "Sum", visible = false }],
    )],
  )
  forwarded = join(" + ", concat(
    ["FILL(forwarded, 0)"], [for index in range(length(local.filters_are) - 1) : "FILL(forwarded${index}, 0)"],
  ))

  dashboard_rows = [for row in [
    {
      shown  = true
      type   = "alarm"
      height = 4
      widgets = [
        { title = "Alarms", alarms = concat(values(local.alarm_arns), var.authorizer == null ? [] : var.authorizer.alarm_arns) },
      ]
    },

    # ---- Is money or access at stake? Sums are those of the time that the dashboard shows. ----
    {
      shown  = true
      type   = "metric"
      height = 4
      widgets = [for widget in [
        {
          shown   = true
          title   = "Dead letters now, in messages"
          view    = "singleValue"
          stat    = "Maximum"
          metrics = [concat(["AWS/SQS", "ApproximateNumberOfMessagesVisible"], local.dead_letter_queue_is, [{ label = "billed to nobody", color = local.red }])]
        },
        {
          shown   = true
          title   = "Oldest usage that waits, in hours"
          view    = "singleValue"
          period  = local.queued_period
          metrics = concat(local.queued_age, [[{ expression = local.queued_age_in_hours, id = "age", label = "of ${var.retry_hours} that it is tried", color = local.amber }]])
        },
        {
          shown                = local.reconciles
          title                = "Calls that are not billed"
          view                 = "singleValue"
          setPeriodToTimeRange = true
          metrics = concat(
            local.reconciliation,
            [
              [{ expression = local.reconciliation_expressions.calls, id = "calls", visible = false }],
              [{ expression = local.reconciliation_expressions.unbilled, id = "unbilled", label = "neither billed nor skipped", color = local.amber }],
              [{ expression = local.reconciliation_expressions.missing, id = "missing", label = "nor waiting: missing", color = local.red }],
            ],
          )
        },
        {
          shown                = true
          title                = "Access-log lines not handed over"
          view                 = "singleValue"
          setPeriodToTimeRange = true
          metrics              = [for filter in local.filters_are : concat(["AWS/Logs", "DeliveryErrors"], filter, [{ label = filter[1], color = local.red }])]
        },
        {
          shown                = var.authorizer != null
          title                = "Callers not decided about"
          view                 = "singleValue"
          setPeriodToTimeRange = true
          metrics = [
            concat(["Revenium", "Errors"], local.authorizer_is, [{ label = "no decision", color = local.red }]),
            concat(["Revenium", "FailOpen"], local.authorizer_is, [{ label = "let in unasked", color = local.purple }]),
          ]
        },
      ] : { for name, value in widget : name => value if name != "shown" } if widget.shown]
    },

    # ---- What became of the calls ----
    {
      shown  = true
      type   = "metric"
      height = 6
      widgets = [
        {
          title   = "What became of the access-log lines"
          unit    = "lines and retries in 5 minutes"
          stacked = true
          metrics = [
            concat(["Revenium", "Delivered"], local.metering_is, [{ label = "delivered to Revenium", color = local.green }]),
            concat(["Revenium", "Skipped"], local.metering_is, [{ label = "skipped: not to be billed", color = local.grey }]),
            concat(["Revenium", "Queued"], local.metering_is, [{ label = "queued: tried again later", color = local.amber }]),
            concat(["Revenium", "DeadLettered"], local.metering_is, [{ label = "dead-lettered: billed to nobody", color = local.red }]),
          ]
        },
        {
          title = "From the call to its delivery"
          unit  = "milliseconds"
          metrics = [
            concat(["Revenium", "Lag"], local.metering_is, [{ label = "half of the calls within", stat = "p50", color = local.blue }]),
            concat(["Revenium", "Lag"], local.metering_is, [{ label = "99 of 100 within", stat = "p99", color = local.amber }]),
          ]
        },
      ]
    },
    {
      shown  = local.reconciles
      type   = "metric"
      height = 6
      widgets = [
        {
          title = "Calls, lines and bills"
          unit  = "in 5 minutes"
          metrics = concat(
            local.reconciliation,
            [
              [{ expression = local.reconciliation_expressions.calls, id = "calls", label = "calls that API Gateway counted", color = local.blue }],
              [{ expression = local.forwarded, id = "handed", label = "lines that CloudWatch handed over", color = local.purple }],
              [{ expression = "FILL(delivered, 0) + FILL(skipped, 0)", id = "settled", label = "delivered and skipped", color = local.green }],
            ],
          )
        },
        {
          # Below 0 is what was late in the hour before.
          title  = "Calls that are not billed, hour by hour"
          period = 3600
          metrics = concat(
            local.reconciliation,
            [
              [{ expression = local.reconciliation_expressions.calls, id = "calls", visible = false }],
              [{ expression = local.reconciliation_expressions.unbilled, id = "unbilled", label = "neither billed nor skipped", color = local.amber }],
              [{ expression = local.reconciliation_expressions.missing, id = "missing", label = "nor waiting: missing", color = local.red }],
            ],
          )
        },
      ]
    },
    {
      shown  = true
      type   = "metric"
      height = 6
      widgets = [
        {
          title = "What waits"
          unit  = "messages"
          stat  = "Maximum"
          metrics = [
            concat(["AWS/SQS", "ApproximateNumberOfMessagesVisible"], local.retry_queue_is, [{ label = "due in the retry queue", color = local.amber }]),
            concat(["AWS/SQS", "ApproximateNumberOfMessagesDelayed"], local.retry_queue_is, [{ label = "later in the retry queue", color = local.grey }]),
            concat(["AWS/SQS", "ApproximateNumberOfMessagesNotVisible"], local.retry_queue_is, [{ label = "being tried", color = local.blue }]),
            concat(["AWS/SQS", "ApproximateNumberOfMessagesVisible"], local.dead_letter_queue_is, [{ label = "dead letters", color = local.red }]),
          ]
        },
        {
          title   = "How long the oldest has waited"
          unit    = "hours"
          period  = local.queued_period
          metrics = concat(local.queued_age, [[{ expression = local.queued_age_in_hours, id = "age", label = "oldest usage in the retry queue", color = local.amber }]])
        },
      ]
    },

    # ---- Why: Revenium, CloudWatch, Lambda ----
    {
      shown  = true
      type   = "metric"
      height = 6
      widgets = [
        {
          title   = "What Revenium answers"
          unit    = "requests in 5 minutes"
          stacked = true
          metrics = [
            concat(["Revenium", "Revenium2xx"], local.metering_is, [{ label = "2xx: accepted", color = local.green }]),
            concat(["Revenium", "Revenium429"], local.metering_is, [{ label = "429: too many at once", color = local.amber }]),
            concat(["Revenium", "Revenium4xx"], local.metering_is, [{ label = "other 4xx, 3xx: refused", color = local.red }]),
            concat(["Revenium", "Revenium5xx"], local.metering_is, [{ label = "5xx: Revenium in trouble", color = local.purple }]),
            concat(["Revenium", "ReveniumUnanswered"], local.metering_is, [{ label = "no answer", color = local.grey }]),
          ]
        },
        {
          title = "How long Revenium takes"
          unit  = "milliseconds"
          metrics = [
            concat(["Revenium", "ReveniumLatency"], local.metering_is, [{ label = "half of the requests within", stat = "p50", color = local.blue }]),
            concat(["Revenium", "ReveniumLatency"], local.metering_is, [{ label = "99 of 100 within", stat = "p99", color = local.amber }]),
          ]
        },
        {
          title = "What keeps metering from working"
          unit  = "in 5 minutes"
          metrics = concat(
            [
              concat(["AWS/Lambda", "Errors"], local.metering_is, [{ label = "failed invocations", color = local.red }]),
              concat(["AWS/Lambda", "Throttles"], local.metering_is, [{ label = "throttled invocations", color = local.amber }]),
              concat(["Revenium", "KeyRefused"], local.metering_is, [{ label = "records for want of a key", color = local.purple }]),
            ],
            [for filter in local.filters_are : concat(["AWS/Logs", "DeliveryThrottling"], filter, [{ label = "late lines of ${filter[1]}", color = local.grey }])],
          )
        },
      ]
    },
    {
      shown  = var.authorizer != null
      type   = "metric"
      height = 6
      widgets = [
        {
          title   = "What callers are told"
          unit    = "answers in 5 minutes"
          stacked = true
          metrics = [
            concat(["Revenium", "Allowed"], local.authorizer_is, [{ label = "allowed", color = local.green }]),
            concat(["Revenium", "Denied"], local.authorizer_is, [{ label = "denied", color = local.grey }]),
          ]
        },
        {
          title = "Answers without Revenium's decision"
          unit  = "answers in 5 minutes"
          metrics = [
            concat(["Revenium", "Errors"], local.authorizer_is, [{ label = "no decision, or a failed hook", color = local.red }]),
            concat(["Revenium", "Stale"], local.authorizer_is, [{ label = "an earlier decision repeated", color = local.amber }]),
            concat(["Revenium", "FailOpen"], local.authorizer_is, [{ label = "let in unasked", color = local.purple }]),
            concat(["Revenium", "KeyRefused"], local.authorizer_is, [{ label = "for want of a key", color = local.grey }]),
          ]
        },
        {
          title = "How long callers wait for the authorizer"
          unit  = "milliseconds"
          metrics = [
            concat(["AWS/Lambda", "Duration"], local.authorizer_is, [{ label = "half of the answers within", stat = "p50", color = local.blue }]),
            concat(["AWS/Lambda", "Duration"], local.authorizer_is, [{ label = "99 of 100 within", stat = "p99", color = local.amber }]),
            concat(["Revenium", "EntitlementLatency"], local.authorizer_is, [{ label = "99 of 100 checks within", stat = "p99", color = local.grey }]),
          ]
        },
        {
          title = "Callers who get 500"
          unit  = "invocations in 5 minutes"
          metrics = [
            concat(["AWS/Lambda", "Errors"], local.authorizer_is, [{ label = "failed", color = local.red }]),
            concat(["AWS/Lambda", "Throttles"], local.authorizer_is, [{ label = "throttled", color = local.amber }]),
          ]
        },
      ]
    },
  ] : row if row.shown]
}

locals {
  dashboard_widgets = flatten([
    for index, row in local.dashboard_rows : [
      for column, widget in row.widgets : {
        type = row.type
        # The widgets of a row share its 24 columns.
        width  = floor(24 / length(row.widgets))
        height = row.height
        x      = floor(24 / length(row.widgets)) * column
        y      = sum(concat([0], [for above in slice(local.dashboard_rows, 0, index) : above.height]))
        properties = merge(
          row.type == "alarm" ? {} : { period = 300, region = local.region, stat = "Sum", view = "timeSeries" },
          can(widget.unit) ? { yAxis = { left = { label = widget.unit, min = 0, showUnits = false } } } : {},
          { for name, value in widget : name => value if name != "unit" },
        )
      }
    ]
  ])
}

resource "aws_cloudwatch_dashboard" "this" {
  count = try(var.monitoring.dashboard, false) ? 1 : 0

  dashboard_name = local.function_name
  dashboard_body = jsonencode({
    periodOverride = "inherit"
    start          = "-PT24H"
    widgets        = local.dashboard_widgets
  })
}
