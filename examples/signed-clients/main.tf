resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "Metered and authorized by Revenium, for callers who sign."
  protocol_type = "HTTP"
}

module "revenium" {
  # In your own configuration: source = "<namespace>/revenium-metering/aws", with a version.
  source = "../.."

  name      = var.name
  api_key   = var.revenium_api_key
  http_apis = { products = { id = aws_apigatewayv2_api.this.id } }

  authorizer = {
    authenticate = {
      file   = "${path.module}/authenticate.py"
      secret = { arn = aws_secretsmanager_secret_version.signing.arn }
    }
    cache_ttl_seconds = var.cache_ttl_seconds
    entitlement_url   = var.entitlement_url
    # The signature and what it signs, with the client id: API Gateway repeats an answer only to calls with the same.
    extra_identity_sources = [
      { type = "header", name = "x-signature" },
      { type = "header", name = "x-timestamp" },
    ]
  }
  metering = { metering_url = var.metering_url }
}

resource "aws_apigatewayv2_integration" "backend" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.backend.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  for_each = toset(["GET /products", "GET /products/{id}"])

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.backend.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = module.revenium.http_authorizer_ids["products"]
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = module.revenium.access_log_settings.http.destination_arn
    format          = module.revenium.access_log_settings.http.format
  }
}
