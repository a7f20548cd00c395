# The example as it is, called from here so that applying it leaves nothing in its folder.
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

module "example" {
  source = "../../../../examples/rest-api"

  revenium_api_key = var.revenium_api_key
  metering_url     = var.metering_url
  entitlement_url  = var.entitlement_url
}

output "example" {
  value = module.example
}
