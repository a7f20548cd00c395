# Every setting of what is metered, and how: on the stages and log groups that the test makes. Two instances, since some
# settings are v1's alone, and v1 and v2 are told apart by what arrives.

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

variable "revenium_v1_url" {
  type = string
}

variable "apis" {
  type = object({ rest = string, http = string, websocket = string })
}

variable "groups" {
  type = map(object({ arn = string }))
}

module "v2" {
  source = "../../../.."

  name            = "v2"
  api_key         = var.revenium_api_key
  authorizer      = null
  existing_stages = { rest = { kind = "REST", api_id = var.apis.rest, stage = "live" } }

  metering = {
    metering_url        = var.metering_url
    existing_log_groups = var.groups

    extra_log_fields = { account = "$context.accountId" }
    elements         = { account = "account", status = "status" }

    filter = {
      statuses        = ["2xx"]
      routes          = ["/ping", "/other", "/hidden*", "/failing"]
      excluded_routes = ["GET /hidden"]
    }

    sources = {
      rest              = { api_id = var.apis.rest, source_id = "source-of-the-api" }
      ping              = { api_id = var.apis.rest, route = "/ping", source_id = "source-of-ping" }
      rest_of_the_world = { source_id = "source-of-all-else" }
    }
  }
}

module "v1" {
  source = "../../../.."

  name       = "v1"
  api_key    = var.revenium_api_key
  authorizer = null

  existing_stages = {
    http      = { kind = "HTTP", api_id = var.apis.http, stage = "$default" }
    websocket = { kind = "WEBSOCKET", api_id = var.apis.websocket, stage = "live" }
  }

  metering = {
    metering_api = "v1"
    metering_url = var.revenium_v1_url

    extra_log_fields = { account = "$context.accountId" }
    elements         = { account = "account", nothing = "responseLength" }
    metadata         = "stage={stage},account={account}"
    subscription     = "gold-{account}"

    filter = {
      include_gateway_rejections = true
      websocket_events           = ["CONNECT", "DISCONNECT"]
    }

    sources = { http = { api_id = var.apis.http, source_id = "source-of-http" } }
  }
}

output "functions" {
  value = { v1 = module.v1.metering_function_name, v2 = module.v2.metering_function_name }
}
