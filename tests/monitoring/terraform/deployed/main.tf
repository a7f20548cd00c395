# What the runbook is tried on: everything under the default name, and an authorizer that fails open and remembers nothing.
variable "revenium_api_key" {
  type      = string
  ephemeral = true
}

variable "metering_url" {
  type = string
}

variable "entitlement_url" {
  type = string
}

module "revenium" {
  source = "../../../.."

  api_key = var.revenium_api_key

  authorizer = {
    allow_cache_seconds = 0
    entitlement_url     = var.entitlement_url
    on_error            = "allow"
    stale_seconds       = 0
  }
  metering   = { metering_url = var.metering_url }
  monitoring = { stages = { shop = { api_name = "shop", stage = "live" } } }
}

output "revenium" {
  value = module.revenium
}
