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

locals {
  # Not `try`, which takes an object for unknown when its ARN is.
  authenticate_secret = var.authenticate == null ? null : var.authenticate.secret
}

data "aws_iam_policy_document" "authenticate" {
  count = local.authenticate_secret == null ? 0 : 1

  statement {
    sid       = "ReadSecretOfTheHook"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.authenticate_secret.arn]
  }

  dynamic "statement" {
    for_each = compact([local.authenticate_secret.kms_key_arn])

    content {
      sid       = "DecryptSecretOfTheHookThroughSecretsManager"
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
