resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_function" "this" {
  function_name    = local.function_name
  description      = "Meters API Gateway access logs into Revenium."
  role             = aws_iam_role.function.arn
  runtime          = var.runtime
  architectures    = ["arm64"]
  handler          = "metering.handler.handler"
  filename         = data.archive_file.package.output_path
  source_code_hash = data.archive_file.package.output_base64sha256
  memory_size      = 256
  timeout          = var.timeout_seconds

  environment {
    variables = merge(
      {
        DEAD_LETTER_QUEUE_URL        = aws_sqs_queue.dead_letter.url
        RETRY_CONCURRENCY            = local.retry_concurrency
        RETRY_QUEUE_URL              = aws_sqs_queue.retry.url
        REVENIUM_API_KEY_SECRET_ARN  = local.api_key_secret_arn
        REVENIUM_METERING_API        = var.metering_api
        REVENIUM_REQUESTS_PER_SECOND = var.requests_per_second
        REVENIUM_RETRY_FOR_SECONDS   = var.retry_hours * 3600
        REVENIUM_TIMEOUT_SECONDS     = var.request_timeout_seconds
        REVENIUM_V1_UNANSWERED       = var.v1_unanswered
      },
      var.metering_url == null ? {} : { REVENIUM_METERING_URL = var.metering_url },
    )
  }

  depends_on = [aws_cloudwatch_log_group.function]
}

# CloudWatch Logs invokes asynchronously: a batch that the function itself fails on is tried twice more, a
# throttled one for 6 hours, the longest there is; what is given up then is kept in the dead-letter queue.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_event_age_in_seconds = 6 * 60 * 60
  maximum_retry_attempts       = 2

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letter.arn
    }
  }

  # Lambda checks at creation that the role may send to the destination.
  depends_on = [aws_iam_role_policy.queues]
}
