locals {
  rest = { for name, api in var.apis : name => api if api.kind == "REST" }
  http = { for name, api in var.apis : name => api if api.kind == "HTTP" }

  api_ids = merge(
    { for name, api in aws_api_gateway_rest_api.this : name => api.id },
    { for name, api in aws_apigatewayv2_api.this : name => api.id },
  )
}

# One instance for all of them: one log group, one metering function, one authorizer function.
module "revenium" {
  # In your own configuration: source = "<namespace>/revenium-metering/aws", with a version.
  source = "../.."

  name      = var.name
  api_key   = var.revenium_api_key
  rest_apis = { for name, api in aws_api_gateway_rest_api.this : name => { id = api.id } }
  http_apis = { for name, api in aws_apigatewayv2_api.this : name => { id = api.id } }

  authorizer = { entitlement_url = var.entitlement_url }
  metering = {
    metering_url = var.metering_url
    sources = {
      for name, api in var.apis : name => { api_id = local.api_ids[name], source_id = api.source_id }
      if api.source_id != null
    }
  }
}

module "account_logging" {
  # In your own configuration: source = "<namespace>/revenium-metering/aws//modules/account_logging".
  source = "../../modules/account_logging"
  count  = var.set_account_logging_role ? 1 : 0

  name = var.name
}
