locals {
  api_key_secret_arn = var.api_key_secret == null ? aws_secretsmanager_secret.api_key[0].arn : var.api_key_secret.arn
  api_key_kms_keys   = var.api_key_secret == null ? var.kms_key[*].arn : compact([var.api_key_secret.kms_key_arn])
}

resource "aws_secretsmanager_secret" "api_key" {
  # checkov:skip=CKV2_AWS_57: the key comes from Revenium, which has no function to rotate it
  # A null object, not a null ARN: the ARN of a secret made in the same run is unknown at plan.
  count = var.api_key_secret == null ? 1 : 0

  name        = "${local.function_name}-api-key"
  description = "Revenium API key of the ${local.function_name} function."
  kms_key_id  = one(var.kms_key[*].arn)
  tags        = var.tags
  # Revenium still has the key. A secret waiting for deletion holds its name, and the next apply would fail with
  # "a secret with this name is already scheduled for deletion".
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "api_key" {
  count = var.api_key_secret == null ? 1 : 0

  secret_id                = aws_secretsmanager_secret.api_key[0].id
  secret_string_wo         = var.api_key
  secret_string_wo_version = var.api_key_version
}
