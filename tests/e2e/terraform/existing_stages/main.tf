# The example as it is, with stages that are made outside of Terraform.

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

variable "stages" {
  type = map(object({
    kind             = string
    api_id           = string
    stage            = string
    replace_existing = optional(bool, false)
  }))
}

module "example" {
  source = "../../../../examples/existing-stages"

  name             = "stages"
  revenium_api_key = var.revenium_api_key
  metering_url     = var.metering_url
  stages           = var.stages
}

output "example" {
  value = module.example
}
