resource "aws_api_gateway_rest_api" "this" {
  # checkov:skip=CKV_AWS_237: an API made anew has another address in any order
  name        = var.name
  description = "Metered and authorized by Revenium."

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

module "revenium" {
  # In your own configuration: source = "<namespace>/revenium-metering/aws", with a version.
  source = "../.."

  name      = var.name
  api_key   = var.revenium_api_key
  rest_apis = { products = { id = aws_api_gateway_rest_api.this.id } }

  authorizer = {
    cache_ttl_seconds = var.cache_ttl_seconds
    entitlement_url   = var.entitlement_url
  }
  metering = { metering_url = var.metering_url }
}

module "account_logging" {
  # In your own configuration: source = "<namespace>/revenium-metering/aws//modules/account_logging".
  source = "../../modules/account_logging"
  count  = var.set_account_logging_role ? 1 : 0

  name = var.name
}

resource "aws_api_gateway_resource" "products" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "products"
}

resource "aws_api_gateway_resource" "product" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.products.id
  path_part   = "{id}"
}

resource "aws_api_gateway_method" "get" {
  # checkov:skip=CKV2_AWS_53: what is valid is for the backend to say
  for_each = {
    product  = aws_api_gateway_resource.product.id
    products = aws_api_gateway_resource.products.id
  }

  rest_api_id   = aws_api_gateway_rest_api.this.id
  resource_id   = each.value
  http_method   = "GET"
  authorization = "CUSTOM"
  authorizer_id = module.revenium.rest_authorizer_ids["products"]
}

resource "aws_api_gateway_integration" "get" {
  for_each = aws_api_gateway_method.get

  rest_api_id             = each.value.rest_api_id
  resource_id             = each.value.resource_id
  http_method             = each.value.http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = aws_lambda_function.backend.invoke_arn
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  # A REST API serves what was last deployed: what is to take effect when it changes stands here, the authorizer
  # included.
  triggers = {
    redeployment = sha256(jsonencode([
      aws_api_gateway_resource.product.path,
      aws_api_gateway_resource.products.path,
      values(aws_api_gateway_integration.get)[*].uri,
      values(aws_api_gateway_method.get)[*].authorizer_id,
      module.revenium.redeployment_hash,
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "this" {
  # checkov:skip=CKV2_AWS_29: a firewall is for you to choose
  # checkov:skip=CKV2_AWS_4: execution logs hold whole requests: for you to switch on
  # checkov:skip=CKV2_AWS_51: the backend is a function, which no certificate is shown to
  # checkov:skip=CKV_AWS_120: caching is for you to choose
  # checkov:skip=CKV_AWS_73: tracing is for you to choose
  rest_api_id   = aws_api_gateway_rest_api.this.id
  deployment_id = aws_api_gateway_deployment.this.id
  stage_name    = "live"

  access_log_settings {
    destination_arn = module.revenium.access_log_settings.rest.destination_arn
    format          = module.revenium.access_log_settings.rest.format
  }

  depends_on = [module.account_logging]
}
