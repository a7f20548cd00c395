resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "Metered by Revenium, authorized by its own authorizer."
  protocol_type = "HTTP"
}

module "revenium" {
  # In your own configuration: source = "<namespace>/revenium-metering/aws", with a version.
  source = "../.."

  name       = var.name
  api_key    = var.revenium_api_key
  authorizer = null

  metering = { metering_url = var.metering_url }
}

resource "aws_apigatewayv2_integration" "backend" {
  api_id             = aws_apigatewayv2_api.this.id
  integration_type   = "HTTP_PROXY"
  integration_method = "GET"
  integration_uri    = var.backend_url
}

resource "aws_apigatewayv2_route" "products" {
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "GET /products"
  target             = "integrations/${aws_apigatewayv2_integration.backend.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = aws_apigatewayv2_authorizer.own.id
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
