module "revenium" {
  # In your own configuration: source = "<namespace>/revenium-metering/aws", with a version.
  source = "../.."

  name            = var.name
  api_key         = var.revenium_api_key
  authorizer      = null
  existing_stages = var.stages

  metering = { metering_url = var.metering_url }
}
