data "aws_iam_policy_document" "api_key" {
  statement {
    sid       = "ReadReveniumApiKey"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.api_key_secret_arn]
  }

  dynamic "statement" {
    for_each = local.api_key_kms_keys

    content {
      sid       = "DecryptReveniumApiKeyThroughSecretsManager"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${split(":", statement.value)[3]}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}

data "aws_iam_policy_document" "queues" {
  statement {
    sid       = "QueueUndeliveredRecords"
    actions   = ["sqs:SendMessage"]
    resources = [local.retry_queue_arn, local.dead_letter_queue_arn]
  }

  statement {
    sid       = "ConsumeRetryQueue"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [local.retry_queue_arn]
  }

  dynamic "statement" {
    for_each = var.kms_key[*].arn

    content {
      sid       = "UseTheKeyOfTheQueues"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["sqs.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}
