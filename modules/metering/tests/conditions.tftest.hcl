# What only the plan of the resources can find. Mocked: needs neither AWS nor an emulator.

mock_provider "archive" {}

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}", minified_json = "{}" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }
}

variables {
  api_key_secret     = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:revenium-AbCdEf", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d" }
  api_key_version    = 2
  log_retention_days = 365
  metering_api       = "v1"
  metering_url       = "https://revenium.example:8443/meter"
  name               = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  runtime            = "python3.13"

  elements         = { bytes-out = "responseLength", tenant = "tenant" }
  extra_log_fields = { bytesIn = "$context.dataProcessed", tenant = "$context.authorizer.tenant" }
  metadata         = "stage={stage},tenant={tenant}"
  subscription     = "{tenant}"

  filter = {
    excluded_routes            = ["OPTIONS *", "/internal/*"]
    include_gateway_rejections = true
    routes                     = ["*"]
    statuses                   = ["2xx", "404"]
    websocket_events           = ["CONNECT", "MESSAGE"]
  }

  sources = {
    everything = { source_id = "s1" }
    shop       = { api_id = "abcdef1234", source_id = "s2" }
    products   = { api_id = "abcdef1234", route = "/products/{id}", source_id = "s3" }
  }
}

run "hands_the_mapping_to_the_function" {
  command = plan

  override_resource {
    target          = aws_sqs_queue.dead_letter
    override_during = plan
    values          = { arn = "arn:aws:sqs:eu-central-1:123456789012:dead-letter", url = "https://sqs.example/dead-letter" }
  }

  override_resource {
    target          = aws_sqs_queue.retry
    override_during = plan
    values          = { arn = "arn:aws:sqs:eu-central-1:123456789012:retry", url = "https://sqs.example/retry" }
  }

  assert {
    condition     = local.mapping_json == jsonencode(jsondecode(file("./tests/mapping.json")))
    error_message = "got ${local.mapping_json}"
  }
}

run "hands_on_no_mapping_where_everything_has_its_default" {
  command = plan

  variables {
    elements         = {}
    extra_log_fields = {}
    filter           = { excluded_routes = null, statuses = null, websocket_events = null }
    metadata         = null
    sources          = {}
    subscription     = null
  }

  override_resource {
    target          = aws_sqs_queue.dead_letter
    override_during = plan
    values          = { arn = "arn:aws:sqs:eu-central-1:123456789012:dead-letter", url = "https://sqs.example/dead-letter" }
  }

  override_resource {
    target          = aws_sqs_queue.retry
    override_during = plan
    values          = { arn = "arn:aws:sqs:eu-central-1:123456789012:retry", url = "https://sqs.example/retry" }
  }

  assert {
    condition     = local.mapping_json == "{}"
    error_message = "got ${local.mapping_json}"
  }
}

run "accepts_existing_log_groups" {
  command = plan

  variables {
    existing_log_groups = { shop = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop:*" } }
  }

  override_data {
    target = data.aws_cloudwatch_log_group.existing
    values = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop", log_group_class = "STANDARD" }
  }
}

run "rejects_existing_log_groups_of_another_class" {
  command = plan

  variables {
    existing_log_groups = { shop = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop" } }
  }

  override_data {
    target = data.aws_cloudwatch_log_group.existing
    values = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop", log_group_class = "INFREQUENT_ACCESS" }
  }

  expect_failures = [data.aws_cloudwatch_log_group.existing]
}

run "rejects_existing_log_groups_of_another_region" {
  command = plan

  variables {
    existing_log_groups = { shop = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/vendedlogs/shop" } }
  }

  override_data {
    target = data.aws_cloudwatch_log_group.existing
    values = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop", log_group_class = "STANDARD" }
  }

  expect_failures = [data.aws_cloudwatch_log_group.existing]
}

run "rejects_extra_log_fields_beyond_the_longest_format" {
  command = plan

  variables {
    elements         = {}
    metadata         = null
    subscription     = null
    extra_log_fields = { for number in range(99) : "field${number}" => "$context.authorizer.field${number}" }
  }

  expect_failures = [output.access_log_settings]
}

run "rejects_settings_beyond_the_functions_environment" {
  command = plan

  variables {
    sources = { for number in range(60) : "s${number}" => { api_id = "abcdef1234", route = "/a/rather/long/route/${number}", source_id = "s${number}" } }
  }

  expect_failures = [aws_lambda_function_event_invoke_config.this]
}
