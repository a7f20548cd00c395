resource "aws_api_gateway_rest_api" "this" {
  # checkov:skip=CKV_AWS_237: an API made anew has another address in any order
  for_each = local.rest

  name = "${var.name}-${each.key}"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_resource" "proxy" {
  for_each = aws_api_gateway_rest_api.this

  rest_api_id = each.value.id
  parent_id   = each.value.root_resource_id
  path_part   = "{proxy+}"
}

resource "aws_api_gateway_method" "proxy" {
  # checkov:skip=CKV2_AWS_53: what is valid is for the backend to say
  for_each = aws_api_gateway_resource.proxy

  rest_api_id        = each.value.rest_api_id
  resource_id        = each.value.id
  http_method        = "ANY"
  authorization      = "CUSTOM"
  authorizer_id      = module.revenium.rest_authorizer_ids[each.key]
  request_parameters = { "method.request.path.proxy" = true }
}

resource "aws_api_gateway_integration" "backend" {
  for_each = aws_api_gateway_method.proxy

  rest_api_id             = each.value.rest_api_id
  resource_id             = each.value.resource_id
  http_method             = each.value.http_method
  type                    = "HTTP_PROXY"
  integration_http_method = "ANY"
  uri                     = "${local.rest[each.key].backend_url}/{proxy}"
  request_parameters      = { "integration.request.path.proxy" = "method.request.path.proxy" }
}

resource "aws_api_gateway_deployment" "this" {
  for_each = aws_api_gateway_rest_api.this

  rest_api_id = each.value.id

  # A REST API serves what was last deployed: what is to take effect when it changes stands here, the authorizer
  # included.
  triggers = {
    redeployment = sha256(jsonencode([
      aws_api_gateway_integration.backend[each.key].uri,
      aws_api_gateway_method.proxy[each.key].authorizer_id,
      module.revenium.redeployment_hash,
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "this" {
  # checkov:skip=CKV2_AWS_4: execution logs hold whole requests: for you to switch on
  # checkov:skip=CKV2_AWS_51: the backend is a function, which no certificate is shown to
  # checkov:skip=CKV_AWS_120: caching is for you to choose
  # checkov:skip=CKV_AWS_73: tracing is for you to choose
  for_each = aws_api_gateway_deployment.this

  rest_api_id   = each.value.rest_api_id
  deployment_id = each.value.id
  stage_name    = "live"

  access_log_settings {
    destination_arn = module.revenium.access_log_settings.rest.destination_arn
    format          = module.revenium.access_log_settings.rest.format
  }

  depends_on = [module.account_logging]
}
