# What only the plan of the resources can find. Mocked: needs neither AWS nor an emulator.

mock_provider "archive" {}

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
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
}

run "accepts_an_existing_log_group" {
  command = plan

  variables {
    existing_log_group = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop:*" }
  }

  override_data {
    target = data.aws_cloudwatch_log_group.existing
    values = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop", log_group_class = "STANDARD" }
  }
}

run "rejects_existing_log_group_of_another_class" {
  command = plan

  variables {
    existing_log_group = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop" }
  }

  override_data {
    target = data.aws_cloudwatch_log_group.existing
    values = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop", log_group_class = "INFREQUENT_ACCESS" }
  }

  expect_failures = [data.aws_cloudwatch_log_group.existing]
}

run "rejects_existing_log_group_of_another_region" {
  command = plan

  variables {
    existing_log_group = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/vendedlogs/shop" }
  }

  override_data {
    target = data.aws_cloudwatch_log_group.existing
    values = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop", log_group_class = "STANDARD" }
  }

  expect_failures = [data.aws_cloudwatch_log_group.existing]
}
