locals {
  # What has its default is left out.
  mapping = {
    for name, value in {
      elements                   = length(var.elements) == 0 ? null : var.elements
      excluded_routes            = length(var.filter.excluded_routes) == 0 ? null : var.filter.excluded_routes
      include_gateway_rejections = var.filter.include_gateway_rejections ? true : null
      metadata                   = var.metadata
      routes                     = length(var.filter.routes) == 0 ? null : var.filter.routes
      sources = length(var.sources) == 0 ? null : {
        for source in var.sources : trimspace("${coalesce(source.api_id, " ")} ${coalesce(source.route, " ")}") => source.source_id
      }
      statuses         = length(var.filter.statuses) == 0 ? null : var.filter.statuses
      subscription     = var.subscription
      websocket_events = var.filter.websocket_events == toset(["MESSAGE"]) ? null : var.filter.websocket_events
    } : name => value if value != null
  }
  mapping_json = jsonencode(local.mapping)
  # Lambda's environment has 4,096 bytes; the other variables, with a secret's name as long as AWS allows, need the rest.
  mapping_max_length = 2560
}

module "function" {
  source = "../function"

  name               = local.function_name
  description        = "Meters API Gateway access logs into Revenium."
  functions          = var.functions
  kms_key            = var.kms_key
  log_retention_days = var.log_retention_days
  memory_size        = 256
  package            = "metering"
  role_name          = local.role_name
  runtime            = var.runtime
  tags               = var.tags
  timeout_seconds    = var.timeout_seconds

  policies = {
    read-api-key = data.aws_iam_policy_document.api_key.json
    use-queues   = data.aws_iam_policy_document.queues.json
  }

  environment = merge(
    {
      DEAD_LETTER_QUEUE_URL        = aws_sqs_queue.dead_letter.url
      RETRY_CONCURRENCY            = local.retry_concurrency
      RETRY_QUEUE_URL              = aws_sqs_queue.retry.url
      REVENIUM_API_KEY_SECRET_ARN  = local.api_key_secret_arn
      REVENIUM_MAPPING             = local.mapping_json
      REVENIUM_METERING_API        = var.metering_api
      REVENIUM_REQUESTS_PER_SECOND = var.requests_per_second
      REVENIUM_RETRY_FOR_SECONDS   = var.retry_hours * 3600
      REVENIUM_TIMEOUT_SECONDS     = var.request_timeout_seconds
      REVENIUM_V1_UNANSWERED       = var.v1_unanswered
    },
    var.metering_url == null ? {} : { REVENIUM_METERING_URL = var.metering_url },
  )
}

# CloudWatch Logs invokes asynchronously: a batch that the function itself fails on is tried twice more, a
# throttled one for 6 hours, the longest there is; what is given up then is kept in the dead-letter queue.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = module.function.name
  maximum_event_age_in_seconds = 6 * 60 * 60
  maximum_retry_attempts       = 2

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letter.arn
    }
  }

  lifecycle {
    precondition {
      condition     = length(local.mapping_json) <= local.mapping_max_length
      error_message = "`elements`, `filter`, `metadata`, `sources` and `subscription` must have at most ${local.mapping_max_length} characters together, as JSON, since Lambda limits a function's environment to 4 KB; they have ${length(local.mapping_json)}. Shorten the filter by `*`, or divide the APIs between two instances of the module."
    }
  }
}
