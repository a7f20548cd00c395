locals {
  retry_queue_arn       = "arn:${local.partition}:sqs:${local.region}:${local.account}:${local.retry_queue_name}"
  dead_letter_queue_arn = "arn:${local.partition}:sqs:${local.region}:${local.account}:${local.dead_letter_queue_name}"

  # The least there is: after an outage the backlog must not take the rate limit that fresh traffic needs. The function
  # knows it, and shares the account's rate among so many.
  retry_concurrency = 2

  # The longest that SQS keeps a message.
  queue_retention_seconds = 14 * 24 * 60 * 60
}

resource "aws_sqs_queue" "dead_letter" {
  name                      = local.dead_letter_queue_name
  message_retention_seconds = local.queue_retention_seconds
  sqs_managed_sse_enabled   = var.kms_key == null ? true : null
  kms_master_key_id         = one(var.kms_key[*].arn)
  tags                      = var.tags

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.retry_queue_arn]
  })
}

resource "aws_sqs_queue" "retry" {
  name                      = local.retry_queue_name
  message_retention_seconds = local.queue_retention_seconds
  sqs_managed_sse_enabled   = var.kms_key == null ? true : null
  kms_master_key_id         = one(var.kms_key[*].arn)
  tags                      = var.tags
  # AWS's rule for event sources: less, and a message in work could be handed out a second time.
  visibility_timeout_seconds = 6 * var.timeout_seconds

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = 10
  })
}

data "aws_iam_policy_document" "queue" {
  for_each = { dead_letter = local.dead_letter_queue_arn, retry = local.retry_queue_arn }

  statement {
    sid       = "DenyWhatIsNotEncryptedOnItsWay"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "dead_letter" {
  queue_url = aws_sqs_queue.dead_letter.url
  policy    = data.aws_iam_policy_document.queue["dead_letter"].json
}

resource "aws_sqs_queue_policy" "retry" {
  queue_url = aws_sqs_queue.retry.url
  policy    = data.aws_iam_policy_document.queue["retry"].json
}

resource "aws_lambda_event_source_mapping" "retry" {
  event_source_arn        = aws_sqs_queue.retry.arn
  function_name           = module.function.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  scaling_config {
    maximum_concurrency = local.retry_concurrency
  }
}
