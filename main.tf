locals {
  # Not `try`, which takes an object for unknown when its ARN is, and with it how many policies there are.
  authorizer_own_secret = var.authorizer == null ? null : var.authorizer.api_key_secret
  # A key of its own first, then the caller's secret, then the secret that metering stores the caller's key in.
  authorizer_api_key_secret = (
    local.authorizer_own_secret != null ? local.authorizer_own_secret :
    var.api_key_secret != null || var.metering == null ? var.api_key_secret :
    { arn = module.metering[0].api_key_secret_arn, kms_key_arn = one(local.kms_key[*].arn) }
  )

  kms_key = var.kms_key == null ? null : { arn = var.kms_key.create ? module.kms_key[0].arn : var.kms_key.arn }
}

module "kms_key" {
  count  = var.kms_key == null ? 0 : var.kms_key.create ? 1 : 0
  source = "./modules/kms_key"

  name = var.name
  tags = var.tags
}

module "metering" {
  count  = var.metering == null ? 0 : 1
  source = "./modules/metering"

  api_key                 = var.api_key
  api_key_secret          = var.api_key_secret
  api_key_version         = var.api_key_version
  authorizer              = var.authorizer == null ? null : { alarm_arns = module.authorizer[0].alarm_arns, function_name = module.authorizer[0].function_name }
  elements                = var.metering.elements
  existing_log_groups     = var.metering.existing_log_groups
  existing_stages         = var.existing_stages
  extra_log_fields        = var.metering.extra_log_fields
  filter                  = var.metering.filter
  functions               = var.functions
  kms_key                 = local.kms_key
  log_retention_days      = var.log_retention_days
  metadata                = var.metering.metadata
  metering_api            = var.metering.metering_api
  metering_url            = var.metering.metering_url
  monitoring              = var.monitoring
  name                    = var.name
  request_timeout_seconds = var.metering.request_timeout_seconds
  requests_per_second     = var.metering.requests_per_second
  retry_hours             = var.metering.retry_hours
  runtime                 = var.runtime
  sources                 = var.metering.sources
  subscription            = var.metering.subscription
  tags                    = var.tags
  timeout_seconds         = var.metering.timeout_seconds
  v1_unanswered           = var.metering.v1_unanswered
}

module "authorizer" {
  count  = var.authorizer == null ? 0 : 1
  source = "./modules/authorizer"

  allow_cache_seconds         = var.authorizer.allow_cache_seconds
  api_key                     = var.metering == null ? var.api_key : null
  api_key_secret              = local.authorizer_api_key_secret
  api_key_version             = var.api_key_version
  authenticate                = var.authorizer.authenticate
  cache_ttl_seconds           = var.authorizer.cache_ttl_seconds
  client_id_source            = var.authorizer.client_id_source
  denial_response             = var.authorizer.denial_response
  deny_cache_seconds          = var.authorizer.deny_cache_seconds
  entitlement_parameter       = var.authorizer.entitlement_parameter
  entitlement_timeout_seconds = var.authorizer.entitlement_timeout_seconds
  entitlement_url             = var.authorizer.entitlement_url
  extra_identity_sources      = var.authorizer.extra_identity_sources
  functions                   = var.functions
  http_apis                   = var.http_apis
  kms_key                     = local.kms_key
  log_retention_days          = var.log_retention_days
  mode                        = var.authorizer.mode
  monitoring                  = var.monitoring
  name                        = var.name
  on_error                    = var.authorizer.on_error
  rest_apis                   = var.rest_apis
  runtime                     = var.runtime
  stale_seconds               = var.authorizer.stale_seconds
  tags                        = var.tags
  websocket_apis              = var.websocket_apis
}
