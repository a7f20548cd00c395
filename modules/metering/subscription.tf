resource "aws_lambda_permission" "access_logs" {
  statement_id   = "access-logs"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this.function_name
  principal      = "logs.amazonaws.com"
  source_account = local.account
  source_arn     = "${local.log_group_arn}:*"
}

resource "aws_cloudwatch_log_subscription_filter" "this" {
  name            = local.function_name
  log_group_name  = local.log_group_name
  destination_arn = aws_lambda_function.this.arn
  # Matches every line: also a line that is no JSON has to be counted.
  filter_pattern = ""

  # Usage flows from the moment the filter exists, and a delivery that is denied is not repeated: all that the function
  # needs comes first, and on destroy goes last.
  depends_on = [
    aws_iam_role_policy.api_key,
    aws_iam_role_policy.logs,
    aws_iam_role_policy.queues,
    aws_lambda_event_source_mapping.retry,
    aws_lambda_function_event_invoke_config.this,
    aws_lambda_permission.access_logs,
    aws_secretsmanager_secret_version.api_key,
  ]
}
