# The example as it is, called from here so that applying it leaves nothing in its folder.

# The version that the emulator was tried with; where the registry is at hand, the newest would come.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

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

# Set for every root module here.
variable "revenium_v1_url" {
  type = string
}

module "example" {
  source = "../../../../examples/signed-clients"

  revenium_api_key = var.revenium_api_key
  metering_url     = var.metering_url
  entitlement_url  = var.entitlement_url
}

output "example" {
  value = module.example
}
