resource "aws_apigatewayv2_api" "this" {
  for_each = local.http

  name          = "${var.name}-${each.key}"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "backend" {
  for_each = aws_apigatewayv2_api.this

  api_id             = each.value.id
  integration_type   = "HTTP_PROXY"
  integration_method = "ANY"
  integration_uri    = "${local.http[each.key].backend_url}/{proxy}"
}

resource "aws_apigatewayv2_route" "proxy" {
  for_each = aws_apigatewayv2_integration.backend

  api_id             = each.value.api_id
  route_key          = "ANY /{proxy+}"
  target             = "integrations/${each.value.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = module.revenium.http_authorizer_ids[each.key]
}

resource "aws_apigatewayv2_stage" "this" {
  for_each = aws_apigatewayv2_api.this

  api_id      = each.value.id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = module.revenium.access_log_settings.http.destination_arn
    format          = module.revenium.access_log_settings.http.format
  }
}
