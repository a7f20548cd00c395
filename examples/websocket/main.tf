resource "aws_apigatewayv2_api" "this" {
  name                       = var.name
  description                = "Metered and authorized by Revenium."
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}

module "revenium" {
  # In your own configuration: source = "<namespace>/revenium-metering/aws", with a version.
  source = "../.."

  name           = var.name
  api_key        = var.revenium_api_key
  websocket_apis = { chat = { id = aws_apigatewayv2_api.this.id } }

  authorizer = { entitlement_url = var.entitlement_url }
  metering   = { metering_url = var.metering_url }
}

module "account_logging" {
  # In your own configuration: source = "<namespace>/revenium-metering/aws//modules/account_logging".
  source = "../../modules/account_logging"
  count  = var.set_account_logging_role ? 1 : 0

  name = var.name
}

resource "aws_apigatewayv2_integration" "backend" {
  api_id           = aws_apigatewayv2_api.this.id
  integration_type = "AWS_PROXY"
  integration_uri  = aws_lambda_function.backend.invoke_arn
}

resource "aws_apigatewayv2_route" "connect" {
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "$connect"
  target             = "integrations/${aws_apigatewayv2_integration.backend.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = module.revenium.websocket_authorizer_ids["chat"]
}

resource "aws_apigatewayv2_route" "say" {
  # checkov:skip=CKV_AWS_309: AWS takes an authorizer on $connect alone, which has one
  api_id                              = aws_apigatewayv2_api.this.id
  route_key                           = "say"
  target                              = "integrations/${aws_apigatewayv2_integration.backend.id}"
  route_response_selection_expression = "$default"
}

# Without it the backend's answer stays in API Gateway.
resource "aws_apigatewayv2_route_response" "say" {
  api_id             = aws_apigatewayv2_api.this.id
  route_id           = aws_apigatewayv2_route.say.id
  route_response_key = "$default"
}

resource "aws_apigatewayv2_deployment" "this" {
  api_id = aws_apigatewayv2_api.this.id

  # A WebSocket API serves what was last deployed: what is to take effect when it changes stands here, the authorizer
  # included.
  triggers = {
    redeployment = sha256(jsonencode([
      aws_apigatewayv2_integration.backend.integration_uri,
      aws_apigatewayv2_route.connect.authorizer_id,
      aws_apigatewayv2_route.say.route_key,
      aws_apigatewayv2_route_response.say.id,
      module.revenium.redeployment_hash,
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_apigatewayv2_stage" "this" {
  # checkov:skip=CKV2_AWS_51: the backend is a function, which no certificate is shown to
  api_id        = aws_apigatewayv2_api.this.id
  deployment_id = aws_apigatewayv2_deployment.this.id
  name          = "live"

  access_log_settings {
    destination_arn = module.revenium.access_log_settings.websocket.destination_arn
    format          = module.revenium.access_log_settings.websocket.format
  }

  depends_on = [module.account_logging]
}
