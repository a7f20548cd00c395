# The authorizer in all its shapes: one instance that enforces, one that observes and one that fails open, on REST, HTTP
# and WebSocket APIs, and what people make by hand around the function: a TOKEN authorizer, and an HTTP authorizer with payload 1.0.

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

variable "entitlement_url" {
  type = string
}

variable "metering_url" {
  type = string
}

variable "revenium_v1_url" {
  type = string
}

locals {
  # Long enough for two calls one after the other, short enough to wait for.
  cache_ttl_seconds = 5
}

module "enforcing" {
  source = "../../../.."

  name           = "enforcing"
  api_key        = var.revenium_api_key
  http_apis      = { api = { id = aws_apigatewayv2_api.http["enforcing"].id } }
  rest_apis      = { api = { id = aws_api_gateway_rest_api.this["enforcing"].id } }
  websocket_apis = { api = { id = aws_apigatewayv2_api.websocket["enforcing"].id } }

  authorizer = {
    allow_cache_seconds = 0
    cache_ttl_seconds   = local.cache_ttl_seconds
    client_id_source    = { type = "header", name = "X-Consumer" }
    deny_cache_seconds  = 0
    denial_response     = { status_code = 402, cors_origin = "https://shop.example" }
    entitlement_url     = var.entitlement_url
  }
  metering = { metering_url = var.metering_url }
}

module "observing" {
  source = "../../../.."

  name           = "observing"
  api_key        = var.revenium_api_key
  http_apis      = { api = { id = aws_apigatewayv2_api.http["observing"].id } }
  rest_apis      = { api = { id = aws_api_gateway_rest_api.this["observing"].id } }
  websocket_apis = { api = { id = aws_apigatewayv2_api.websocket["observing"].id } }

  authorizer = {
    client_id_source = { type = "query", name = "client" }
    entitlement_url  = var.entitlement_url
    mode             = "observe"
  }
  metering = {
    metering_api = "v1"
    metering_url = var.revenium_v1_url
  }
}

# Without a cache, and with decisions that are soon too old to be repeated.
module "failing_open" {
  source = "../../../.."

  name           = "failing-open"
  api_key        = var.revenium_api_key
  http_apis      = { api = { id = aws_apigatewayv2_api.http["failing_open"].id } }
  metering       = null
  websocket_apis = { api = { id = aws_apigatewayv2_api.websocket["failing_open"].id } }

  authorizer = {
    allow_cache_seconds = 0
    cache_ttl_seconds   = 0
    deny_cache_seconds  = 0
    entitlement_url     = var.entitlement_url
    on_error            = "allow"
    stale_seconds       = 10
  }
}

locals {
  instances = { enforcing = module.enforcing, failing_open = module.failing_open, observing = module.observing }
  # Another instance may meter the stages of one that does not.
  access_log_settings = {
    enforcing    = module.enforcing.access_log_settings
    failing_open = module.enforcing.access_log_settings
    observing    = module.observing.access_log_settings
  }
}

resource "aws_api_gateway_account" "this" {
  cloudwatch_role_arn = aws_iam_role.logs.arn
}

resource "aws_iam_role" "logs" {
  name = "authorizers-api-gateway-logs"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "apigateway.amazonaws.com" } }]
  })
}

resource "aws_api_gateway_rest_api" "this" {
  for_each = toset(["enforcing", "observing"])

  name = "authorizers-${each.key}"
}

# What somebody builds on the function himself.
resource "aws_api_gateway_authorizer" "token" {
  name                             = "by-hand"
  rest_api_id                      = aws_api_gateway_rest_api.this["enforcing"].id
  type                             = "TOKEN"
  authorizer_uri                   = module.enforcing.authorizer_function_invoke_arn
  authorizer_result_ttl_in_seconds = 0
  identity_source                  = "method.request.header.X-Token"
}

resource "aws_apigatewayv2_authorizer" "payload_1" {
  name                              = "by-hand"
  api_id                            = aws_apigatewayv2_api.http["enforcing"].id
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = module.enforcing.authorizer_function_invoke_arn
  authorizer_payload_format_version = "1.0"
  authorizer_result_ttl_in_seconds  = 0
  identity_sources                  = ["$request.header.X-Consumer"]
}

resource "aws_lambda_permission" "by_hand" {
  for_each = {
    token     = "${aws_api_gateway_rest_api.this["enforcing"].execution_arn}/authorizers/${aws_api_gateway_authorizer.token.id}"
    payload_1 = "${aws_apigatewayv2_api.http["enforcing"].execution_arn}/authorizers/${aws_apigatewayv2_authorizer.payload_1.id}"
  }

  statement_id  = "by-hand-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = module.enforcing.authorizer_function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = each.value
}

locals {
  rest_methods = {
    enforcing       = { api = "enforcing", path = "ping", authorizer_id = module.enforcing.rest_authorizer_ids["api"] }
    enforcing_other = { api = "enforcing", path = "other", authorizer_id = module.enforcing.rest_authorizer_ids["api"] }
    token           = { api = "enforcing", path = "token", authorizer_id = aws_api_gateway_authorizer.token.id }
    observing       = { api = "observing", path = "ping", authorizer_id = module.observing.rest_authorizer_ids["api"] }
  }
  routes = {
    enforcing       = { api = "enforcing", path = "ping", authorizer_id = module.enforcing.http_authorizer_ids["api"] }
    enforcing_other = { api = "enforcing", path = "other", authorizer_id = module.enforcing.http_authorizer_ids["api"] }
    payload_1       = { api = "enforcing", path = "payload-1", authorizer_id = aws_apigatewayv2_authorizer.payload_1.id }
    failing_open    = { api = "failing_open", path = "ping", authorizer_id = module.failing_open.http_authorizer_ids["api"] }
    observing       = { api = "observing", path = "ping", authorizer_id = module.observing.http_authorizer_ids["api"] }
  }
}

resource "aws_api_gateway_resource" "this" {
  for_each = local.rest_methods

  rest_api_id = aws_api_gateway_rest_api.this[each.value.api].id
  parent_id   = aws_api_gateway_rest_api.this[each.value.api].root_resource_id
  path_part   = each.value.path
}

resource "aws_api_gateway_method" "this" {
  for_each = local.rest_methods

  rest_api_id   = aws_api_gateway_rest_api.this[each.value.api].id
  resource_id   = aws_api_gateway_resource.this[each.key].id
  http_method   = "GET"
  authorization = "CUSTOM"
  authorizer_id = each.value.authorizer_id
}

resource "aws_api_gateway_integration" "this" {
  for_each = aws_api_gateway_method.this

  rest_api_id       = each.value.rest_api_id
  resource_id       = each.value.resource_id
  http_method       = each.value.http_method
  type              = "MOCK"
  request_templates = { "application/json" = jsonencode({ statusCode = 200 }) }
  # Means nothing to a MOCK; the emulator reads it back all the same, which would look like a change.
  integration_http_method = "POST"
}

resource "aws_api_gateway_method_response" "this" {
  for_each = aws_api_gateway_integration.this

  rest_api_id = each.value.rest_api_id
  resource_id = each.value.resource_id
  http_method = each.value.http_method
  status_code = "200"
}

resource "aws_api_gateway_integration_response" "this" {
  for_each = aws_api_gateway_method_response.this

  rest_api_id = each.value.rest_api_id
  resource_id = each.value.resource_id
  http_method = each.value.http_method
  status_code = each.value.status_code
}

resource "aws_api_gateway_deployment" "this" {
  for_each = aws_api_gateway_rest_api.this

  rest_api_id = each.value.id
  triggers    = { redeployment = local.instances[each.key].redeployment_hash }

  depends_on = [aws_api_gateway_integration_response.this]
}

resource "aws_api_gateway_stage" "this" {
  for_each = aws_api_gateway_deployment.this

  rest_api_id   = each.value.rest_api_id
  deployment_id = each.value.id
  stage_name    = "live"

  access_log_settings {
    destination_arn = local.access_log_settings[each.key].rest.destination_arn
    format          = local.access_log_settings[each.key].rest.format
  }

  depends_on = [aws_api_gateway_account.this]
}

resource "aws_apigatewayv2_api" "http" {
  for_each = toset(["enforcing", "failing_open", "observing"])

  name          = "authorizers-${each.key}"
  protocol_type = "HTTP"
}

# A backend that answers: the MOCK API of the same instance would ask for a client id, the function below does not.
resource "aws_lambda_function" "backend" {
  function_name    = "authorizers-backend"
  role             = aws_iam_role.backend.arn
  runtime          = "python3.12"
  handler          = "backend.handler"
  filename         = data.archive_file.backend.output_path
  source_code_hash = data.archive_file.backend.output_base64sha256
}

data "archive_file" "backend" {
  type             = "zip"
  output_path      = "${path.module}/.build/backend.zip"
  output_file_mode = "0644"

  source {
    filename = "backend.py"
    content  = <<-PYTHON
      def handler(event, context):
          return {"statusCode": 200, "body": "pong"}
    PYTHON
  }
}

resource "aws_iam_role" "backend" {
  name = "authorizers-backend"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_lambda_permission" "backend" {
  for_each = merge(
    { for key, api in aws_apigatewayv2_api.http : "http-${key}" => api.execution_arn },
    { for key, api in aws_apigatewayv2_api.websocket : "websocket-${key}" => api.execution_arn },
  )

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.backend.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${each.value}/*"
}

resource "aws_apigatewayv2_integration" "http" {
  for_each = aws_apigatewayv2_api.http

  api_id                 = each.value.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.backend.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "http" {
  for_each = local.routes

  api_id             = aws_apigatewayv2_api.http[each.value.api].id
  route_key          = "GET /${each.value.path}"
  target             = "integrations/${aws_apigatewayv2_integration.http[each.value.api].id}"
  authorization_type = "CUSTOM"
  authorizer_id      = each.value.authorizer_id
}

resource "aws_apigatewayv2_stage" "http" {
  for_each = aws_apigatewayv2_api.http

  api_id      = each.value.id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = local.access_log_settings[each.key].http.destination_arn
    format          = local.access_log_settings[each.key].http.format
  }
}

resource "aws_apigatewayv2_api" "websocket" {
  for_each = toset(["enforcing", "failing_open", "observing"])

  name                       = "authorizers-websocket-${each.key}"
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}

resource "aws_apigatewayv2_integration" "websocket" {
  for_each = aws_apigatewayv2_api.websocket

  api_id           = each.value.id
  integration_type = "AWS_PROXY"
  integration_uri  = aws_lambda_function.backend.invoke_arn
}

resource "aws_apigatewayv2_route" "connect" {
  for_each = aws_apigatewayv2_integration.websocket

  api_id             = each.value.api_id
  route_key          = "$connect"
  target             = "integrations/${each.value.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = local.instances[each.key].websocket_authorizer_ids["api"]
}

resource "aws_apigatewayv2_route" "message" {
  for_each = aws_apigatewayv2_integration.websocket

  api_id                              = each.value.api_id
  route_key                           = "ping"
  target                              = "integrations/${each.value.id}"
  route_response_selection_expression = "$default"
}

resource "aws_apigatewayv2_route_response" "message" {
  for_each = aws_apigatewayv2_route.message

  api_id             = each.value.api_id
  route_id           = each.value.id
  route_response_key = "$default"
}

resource "aws_apigatewayv2_deployment" "websocket" {
  for_each = aws_apigatewayv2_api.websocket

  api_id   = each.value.id
  triggers = { redeployment = local.instances[each.key].redeployment_hash }

  depends_on = [aws_apigatewayv2_route.connect, aws_apigatewayv2_route_response.message]
}

resource "aws_apigatewayv2_stage" "websocket" {
  for_each = aws_apigatewayv2_deployment.websocket

  api_id        = each.value.api_id
  name          = "live"
  deployment_id = each.value.id

  access_log_settings {
    destination_arn = local.access_log_settings[each.key].websocket.destination_arn
    format          = local.access_log_settings[each.key].websocket.format
  }

  depends_on = [aws_api_gateway_account.this]
}

output "urls" {
  value = merge(
    { for key, stage in aws_api_gateway_stage.this : "rest_${key}" => stage.invoke_url },
    { for key, stage in aws_apigatewayv2_stage.http : "http_${key}" => trimsuffix(stage.invoke_url, "/") },
    { for key, stage in aws_apigatewayv2_stage.websocket : "websocket_${key}" => stage.invoke_url },
  )
}

output "cache_ttl_seconds" {
  value = local.cache_ttl_seconds
}

output "instances" {
  value = local.instances
}
