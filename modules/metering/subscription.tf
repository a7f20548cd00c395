locals {
  # CloudWatch's own patterns for JSON match no line whose JSON is broken, which a quote in a user agent can bring about,
  # and a term to leave out can be written by a caller: either would take his call off the bill. What must be there lets
  # nobody out: the status is what the gateway writes, and what a caller adds can only let a line through.
  #
  # A regular expression, since of terms in quotes AWS promises words and exact phrases, and `"status":"2` is cut off in
  # the middle. Between key and value is anything but letters and digits: somebody may set up a stage with a format of
  # his own. `-`, no status, is the function's to judge.
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html
  status_terms       = [for status in concat(sort(tolist(var.filter.statuses)), ["-"]) : "status\\W*${trimsuffix(status, "xx")}"]
  status_pattern     = length(var.filter.statuses) == 0 ? "" : format("%%%s%%", join("|", local.status_terms))
  pattern_max_length = 1024
}

resource "aws_lambda_permission" "access_logs" {
  statement_id   = "access-logs"
  action         = "lambda:InvokeFunction"
  function_name  = module.function.name
  principal      = "logs.amazonaws.com"
  source_account = local.account
  source_arn     = "${local.log_group_arn}:*"
}

# One for each group, never one for all: changing from the one to the other would take permissions away under filters
# that are in use, and CloudWatch repeats no delivery that is denied. For the same reason an entry that is renamed in the
# state keeps its permission and the id that this was given, which is the entry's and the group's: none collides with it.
resource "aws_lambda_permission" "existing" {
  for_each = local.existing_log_groups

  statement_id   = "access-logs-${each.key}-${substr(sha256(each.value), 0, 16)}"
  action         = "lambda:InvokeFunction"
  function_name  = module.function.name
  principal      = "logs.amazonaws.com"
  source_account = local.account
  source_arn     = "${each.value}:*"

  lifecycle {
    ignore_changes = [statement_id]
  }
}

resource "aws_cloudwatch_log_subscription_filter" "this" {
  name            = local.function_name
  log_group_name  = local.log_group_name
  destination_arn = module.function.arn
  # Too long a pattern is none: the function has the same filter.
  filter_pattern = length(local.status_pattern) <= local.pattern_max_length ? local.status_pattern : ""

  # Usage flows from the moment the filter exists, and a delivery that is denied is not repeated: all that the function
  # needs comes first, and on destroy goes last.
  depends_on = [
    aws_lambda_event_source_mapping.retry,
    aws_lambda_function_event_invoke_config.this,
    aws_lambda_permission.access_logs,
    aws_secretsmanager_secret_version.api_key,
  ]
}

resource "aws_cloudwatch_log_subscription_filter" "existing" {
  for_each = data.aws_cloudwatch_log_group.existing

  # CloudWatch replaces a filter of the same name in one step.
  name            = coalesce(var.existing_log_groups[each.key].filter_name, local.function_name)
  log_group_name  = each.value.name
  destination_arn = module.function.arn
  # Matches every line: in a group whose formats are not ours, also a line that is no JSON has to be counted.
  filter_pattern = ""

  depends_on = [
    aws_lambda_event_source_mapping.retry,
    aws_lambda_function_event_invoke_config.this,
    aws_lambda_permission.existing,
    aws_secretsmanager_secret_version.api_key,
  ]
}
