module "function" {
  source = "../function"

  name               = local.function_name
  description        = "Authorizes API Gateway callers by their Revenium entitlement."
  extra_files        = var.authenticate == null ? {} : { "authenticate.py" = file(var.authenticate.file) }
  functions          = var.functions
  kms_key            = var.kms_key
  log_retention_days = var.log_retention_days
  # Callers wait for it, and CPU comes with memory.
  memory_size = 512
  package     = "authorizer"
  role_name   = local.role_name
  runtime     = var.runtime
  tags        = var.tags
  # API Gateway waits no longer.
  timeout_seconds = 10

  policies = merge(
    { read-api-key = data.aws_iam_policy_document.api_key.json },
    { for document in data.aws_iam_policy_document.authenticate : "read-authenticate-secret" => document.json },
  )

  environment = merge(
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
