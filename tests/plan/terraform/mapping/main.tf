# Every setting of the mapping, and groups that exist; and, beside it, a filter too long for CloudWatch.
module "revenium" {
  source = "../../../.."

  name           = "mapping"
  api_key_secret = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf" }
  authorizer     = null

  metering = {
    metering_api = "v1"
    metadata     = "stage={stage},tenant={tenant}"
    subscription = "{tenant}"

    elements = { bytes-in = "bytesIn", bytes-out = "responseLength" }

    existing_log_groups = {
      news = { arn = aws_cloudwatch_log_group.existing["news"].arn, filter_name = "revenium" }
      shop = { arn = "${aws_cloudwatch_log_group.existing["shop"].arn}:*" }
    }

    extra_log_fields = {
      bytesIn      = "$context.dataProcessed"
      account      = "$context.authorizer.account"
      connectionId = "$context.connectionId"
      keyId        = "$context.identity.apiKeyId"
      tenant       = "$context.authorizer.tenant"
      traceId      = "$context.xrayTraceId"
      websocket    = "$context.connectedAt"
    }

    filter = {
      excluded_routes            = ["OPTIONS *"]
      include_gateway_rejections = true
      routes                     = ["/products/*", "sendMessage"]
      statuses                   = ["2xx", "404"]
      websocket_events           = ["CONNECT", "MESSAGE"]
    }

    sources = {
      everything = { source_id = "s1" }
      shop       = { api_id = "abcdef1234", source_id = "s2" }
      products   = { api_id = "abcdef1234", route = "/products/{id}", source_id = "s3" }
    }
  }
}

resource "aws_cloudwatch_log_group" "existing" {
  for_each = toset(["news", "shop"])

  name = "mapping-${each.key}"
}

module "long_filter" {
  source = "../../../.."

  name           = "long-filter"
  api_key_secret = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf" }
  authorizer     = null

  metering = {
    filter = { statuses = [for code in range(200, 300) : tostring(code)] }
  }
}

module "successes" {
  source = "../../../.."

  name           = "successes"
  api_key_secret = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf" }
  authorizer     = null

  metering = {
    filter = { statuses = ["2xx"] }
  }
}

output "access_log_settings" {
  value = module.revenium.access_log_settings
}
