locals {
  log_retention_allowed = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_function" "this" {
  function_name    = local.function_name
  description      = "Authorizes API Gateway callers by their Revenium entitlement."
  role             = aws_iam_role.function.arn
  runtime          = var.runtime
  architectures    = ["arm64"]
  handler          = "authorizer.handler.handler"
  filename         = data.archive_file.package.output_path
  source_code_hash = data.archive_file.package.output_base64sha256
  # Callers wait for it, and CPU comes with memory.
  memory_size = 512
  # API Gateway waits no longer.
  timeout = 10

  environment {
    variables = merge(
      {
        REVENIUM_ALLOW_CACHE_SECONDS         = var.allow_cache_seconds
        REVENIUM_API_KEY_SECRET_ARN          = local.api_key_secret_arn
        REVENIUM_CLIENT_ID_SOURCE            = local.client_id_source
        REVENIUM_DENY_CACHE_SECONDS          = var.deny_cache_seconds
        REVENIUM_ENTITLEMENT_PARAMETER       = var.entitlement_parameter
        REVENIUM_ENTITLEMENT_TIMEOUT_SECONDS = var.entitlement_timeout_seconds
        REVENIUM_MODE                        = var.mode
        REVENIUM_ON_ERROR                    = var.on_error
        REVENIUM_STALE_SECONDS               = var.stale_seconds
      },
      var.authenticate == null ? {} : { REVENIUM_AUTHENTICATE = true },
      local.authenticate_secret == null ? {} : { REVENIUM_AUTHENTICATE_SECRET_ARN = local.authenticate_secret.arn },
      var.entitlement_url == null ? {} : { REVENIUM_ENTITLEMENT_URL = var.entitlement_url },
      length(var.extra_identity_sources) == 0 ? {} : {
        REVENIUM_EXTRA_IDENTITY_SOURCES = join(",", [for source in var.extra_identity_sources : "${source.type}:${source.name}"])
      },
    )
  }

  depends_on = [aws_cloudwatch_log_group.function]
}
