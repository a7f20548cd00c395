module "revenium" {
  # In your own configuration: source = "<namespace>/revenium-metering/aws", with a version.
  source = "../.."

  name       = var.name
  api_key    = var.revenium_api_key
  authorizer = null

  # What these stages log to now is a group of `log_groups`, or one that nothing meters.
  existing_stages = { for name, stage in var.stages : name => merge(stage, { replace_existing = true }) }

  metering = {
    existing_log_groups = var.log_groups
    metering_api        = var.metering_api
    metering_url        = var.metering_url
  }
}
