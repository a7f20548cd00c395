# Two instances side by side, each using what the examples do not: fail-open, another header, a key of its own and what
# a security department asks for on the one; v1, a secret, a role and a log group made in the same run, and no authorizer
# on the other.

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

variable "api_key_version" {
  type    = number
  default = 1
}

variable "revenium_v1_url" {
  type = string
}

variable "metering_url" {
  type = string
}

variable "entitlement_url" {
  type = string
}

resource "aws_api_gateway_rest_api" "this" {
  for_each = toset(["open", "v1"])

  name = "two-instances-${each.key}"
}

module "open" {
  source = "../../../.."

  name            = "open"
  api_key         = var.revenium_api_key
  api_key_version = var.api_key_version
  http_apis       = { api = { id = aws_apigatewayv2_api.this.id } }
  kms_key         = { create = true }
  rest_apis       = { api = { id = aws_api_gateway_rest_api.this["open"].id } }
  tags            = { team = "platform" }

  functions = {
    iam_path             = "/platform/"
    log_level            = "DEBUG"
    reserved_concurrency = { authorizer = 50, metering = 10 }
    tracing              = true
  }

  authorizer = {
    allow_cache_seconds = 0
    cache_ttl_seconds   = 0
    client_id_source    = { name = "X-Consumer" }
    entitlement_url     = var.entitlement_url
    on_error            = "allow"
  }
  metering = { metering_url = var.metering_url }
}

resource "aws_secretsmanager_secret" "key" {
  name                    = "two-instances"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "key" {
  secret_id                = aws_secretsmanager_secret.key.id
  secret_string_wo         = jsonencode({ api_key = var.revenium_api_key })
  secret_string_wo_version = 1
}

resource "aws_cloudwatch_log_group" "existing" {
  name = "two-instances"
}

data "aws_caller_identity" "current" {}

resource "aws_iam_role" "own" {
  name = "two-instances-own"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

# Written by hand, as somebody would who owns the roles; a test compares it with what the module says.
resource "aws_iam_role_policy" "own" {
  name = "meter"
  role = aws_iam_role.own.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:aws:logs:us-east-1:${data.aws_caller_identity.current.account_id}:log-group:/aws/lambda/v1-metering:*"
      },
      {
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = aws_secretsmanager_secret.key.arn
      },
      {
        Effect = "Allow"
        Action = "sqs:SendMessage"
        Resource = [
          for queue in ["retry", "dead-letter"] :
          "arn:aws:sqs:us-east-1:${data.aws_caller_identity.current.account_id}:v1-metering-${queue}"
        ]
      },
      {
        Effect   = "Allow"
        Action   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        Resource = "arn:aws:sqs:us-east-1:${data.aws_caller_identity.current.account_id}:v1-metering-retry"
      },
    ]
  })
}

module "v1" {
  source = "../../../.."

  name           = "v1"
  api_key_secret = { arn = aws_secretsmanager_secret_version.key.arn }
  authorizer     = null

  # By the policy's own role, so that Lambda finds the rights that it asks for.
  functions = {
    roles = { metering = { arn = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/${aws_iam_role_policy.own.role}" } }
  }

  metering = {
    existing_log_groups = { shared = { arn = aws_cloudwatch_log_group.existing.arn } }
    metering_api        = "v1"
    metering_url        = var.revenium_v1_url
  }
}

locals {
  instances = { open = module.open, v1 = module.v1 }
}

resource "aws_api_gateway_resource" "ping" {
  for_each = aws_api_gateway_rest_api.this

  rest_api_id = each.value.id
  parent_id   = each.value.root_resource_id
  path_part   = "ping"
}

resource "aws_api_gateway_method" "ping" {
  for_each = aws_api_gateway_resource.ping

  rest_api_id   = each.value.rest_api_id
  resource_id   = each.value.id
  http_method   = "GET"
  authorization = each.key == "open" ? "CUSTOM" : "NONE"
  authorizer_id = each.key == "open" ? module.open.rest_authorizer_ids["api"] : null
}

resource "aws_api_gateway_integration" "ping" {
  for_each = aws_api_gateway_method.ping

  rest_api_id       = each.value.rest_api_id
  resource_id       = each.value.resource_id
  http_method       = each.value.http_method
  type              = "MOCK"
  request_templates = { "application/json" = jsonencode({ statusCode = 200 }) }
  # Means nothing to a MOCK; the emulator reads it back all the same, which would look like a change.
  integration_http_method = "POST"
}

resource "aws_api_gateway_method_response" "ping" {
  for_each = aws_api_gateway_integration.ping

  rest_api_id = each.value.rest_api_id
  resource_id = each.value.resource_id
  http_method = each.value.http_method
  status_code = "200"
}

resource "aws_api_gateway_integration_response" "ping" {
  for_each = aws_api_gateway_method_response.ping

  rest_api_id = each.value.rest_api_id
  resource_id = each.value.resource_id
  http_method = each.value.http_method
  status_code = each.value.status_code
}

resource "aws_api_gateway_deployment" "this" {
  for_each = aws_api_gateway_integration_response.ping

  rest_api_id = each.value.rest_api_id
}

resource "aws_api_gateway_stage" "this" {
  for_each = aws_api_gateway_deployment.this

  rest_api_id   = each.value.rest_api_id
  deployment_id = each.value.id
  stage_name    = "live"

  access_log_settings {
    # v1's stage writes where it wrote before.
    destination_arn = each.key == "v1" ? aws_cloudwatch_log_group.existing.arn : local.instances[each.key].access_log_settings.rest.destination_arn
    format          = local.instances[each.key].access_log_settings.rest.format
  }
}

resource "aws_apigatewayv2_api" "this" {
  name          = "two-instances-http"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "ping" {
  api_id             = aws_apigatewayv2_api.this.id
  integration_type   = "HTTP_PROXY"
  integration_method = "GET"
  integration_uri    = "https://example.com"
}

resource "aws_apigatewayv2_route" "ping" {
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "GET /ping"
  target             = "integrations/${aws_apigatewayv2_integration.ping.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = module.open.http_authorizer_ids["api"]
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = module.open.access_log_settings.http.destination_arn
    format          = module.open.access_log_settings.http.format
  }
}

output "invoke_urls" {
  value = { for key, stage in aws_api_gateway_stage.this : key => stage.invoke_url }
}

output "instances" {
  value = local.instances
}
