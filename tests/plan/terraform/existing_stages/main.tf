variable "further_stages" {
  type    = number
  default = 0
}

# Stages of all kinds that somebody else owns, and an instance that has REST stages alone.
module "revenium" {
  source = "../../../.."

  api_key_secret = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf" }
  authorizer     = null

  existing_stages = {
    chat = { kind = "WEBSOCKET", api_id = "chat567890", stage = "live" }
    news = { kind = "HTTP", api_id = "news567890", stage = "$default" }
    shop = { kind = "REST", api_id = "shop567890", stage = "live", replace_existing = true }
  }
}

module "rest_alone" {
  source = "../../../.."

  name           = "rest-alone"
  api_key_secret = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf" }
  authorizer     = null

  existing_stages = merge(
    { shop = { kind = "REST", api_id = "shop567890", stage = "beta" } },
    { for number in range(var.further_stages) : "further-${number}" => { kind = "REST", api_id = "further${number}", stage = "live" } },
  )
}

module "account_logging" {
  source = "../../../../modules/account_logging"
}

output "existing_stages" {
  value = module.revenium.existing_stages
}
