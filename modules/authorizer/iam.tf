data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "LambdaOfThisAccountAssumesTheRole"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "function" {
  name               = local.role_name
  description        = "Execution role of the ${local.function_name} function."
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "logs" {
  statement {
    sid     = "WriteOwnLogGroup"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    # `*` stands for the group's streams, whose names Lambda makes up.
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${local.function_name}:*"]
  }
}

resource "aws_iam_role_policy" "logs" {
  name   = "write-logs"
  role   = aws_iam_role.function.name
  policy = data.aws_iam_policy_document.logs.json
}

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

resource "aws_iam_role_policy" "api_key" {
  name   = "read-api-key"
  role   = aws_iam_role.function.name
  policy = data.aws_iam_policy_document.api_key.json
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

resource "aws_iam_role_policy" "authenticate" {
  count = local.authenticate_secret == null ? 0 : 1

  name   = "read-authenticate-secret"
  role   = aws_iam_role.function.name
  policy = data.aws_iam_policy_document.authenticate[0].json
}
