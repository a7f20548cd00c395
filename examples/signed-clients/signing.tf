# What callers sign with, made up by Secrets Manager and stored there alone: in neither plan nor state.

ephemeral "aws_secretsmanager_random_password" "signing" {
  password_length     = 48
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "signing" {
  # checkov:skip=CKV2_AWS_57: whoever holds the other half of it has to change too
  # checkov:skip=CKV_AWS_149: AWS's own key encrypts it; name one of yours here and in the module
  name_prefix             = "${var.name}-signing-"
  description             = "What callers of ${var.name} sign with."
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "signing" {
  secret_id        = aws_secretsmanager_secret.signing.id
  secret_string_wo = ephemeral.aws_secretsmanager_random_password.signing.random_password
  # Raise it to have another one made; callers then need it too.
  secret_string_wo_version = var.signing_secret_version
}
