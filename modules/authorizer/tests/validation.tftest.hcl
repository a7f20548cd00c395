# All inputs valid, then one broken per run. Mocked: needs neither AWS nor an emulator.

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
  api_key_secret              = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:revenium-AbCdEf", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d" }
  api_key_version             = 2
  cache_ttl_seconds           = 3600
  client_id_header            = "X-Client-Id"
  entitlement_parameter       = "productKey"
  entitlement_timeout_seconds = 8
  entitlement_url             = "https://revenium.example:8443/meter/v1/api/meter/product-key"
  http_apis                   = { shop = { id = "a1b2c3d4e5" } }
  log_retention_days          = 365
  name                        = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  on_error                    = "allow"
  rest_apis                   = { shop = { id = "f6g7h8i9j0" } }
  runtime                     = "python3.13"
}

run "accepts_valid_inputs" {
  command = plan
}

run "accepts_an_api_key_in_place_of_a_secret" {
  command = plan

  variables {
    api_key        = "hak_0123456789"
    api_key_secret = null
  }
}

run "accepts_no_cache" {
  command = plan

  variables {
    cache_ttl_seconds = 0
  }
}

run "accepts_50_apis" {
  command = plan

  variables {
    rest_apis = { for number in range(49) : "api-${number}" => { id = "f6g7h8i9j0" } }
  }
}

run "rejects_api_key_and_secret_together" {
  command = plan

  variables {
    api_key = "hak_0123456789"
  }

  expect_failures = [var.api_key]
}

run "rejects_api_key_and_secret_both_missing" {
  command = plan

  variables {
    api_key_secret = null
  }

  expect_failures = [var.api_key]
}

run "rejects_api_key_with_a_line_break" {
  command = plan

  variables {
    api_key        = "hak_0123456789\n"
    api_key_secret = null
  }

  expect_failures = [var.api_key]
}

run "rejects_api_key_empty" {
  command = plan

  variables {
    api_key        = ""
    api_key_secret = null
  }

  expect_failures = [var.api_key]
}

run "rejects_api_key_secret_of_another_service" {
  command = plan

  variables {
    api_key_secret = { arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/revenium-AbCdEf" }
  }

  expect_failures = [var.api_key_secret]
}

run "rejects_api_key_secret_named_without_its_suffix" {
  command = plan

  variables {
    api_key_secret = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:revenium" }
  }

  expect_failures = [var.api_key_secret]
}

run "rejects_api_key_secret_without_an_arn" {
  command = plan

  variables {
    api_key_secret = { arn = null }
  }

  expect_failures = [var.api_key_secret]
}

run "rejects_api_key_secret_kms_alias" {
  command = plan

  variables {
    api_key_secret = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:revenium-AbCdEf", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:alias/revenium" }
  }

  expect_failures = [var.api_key_secret]
}

run "rejects_api_key_version_below_1" {
  command = plan

  variables {
    api_key_version = 0
  }

  expect_failures = [var.api_key_version]
}

run "rejects_api_key_version_that_is_no_whole_number" {
  command = plan

  variables {
    api_key_version = 1.5
  }

  expect_failures = [var.api_key_version]
}

run "rejects_cache_ttl_seconds_below_0" {
  command = plan

  variables {
    cache_ttl_seconds = -1
  }

  expect_failures = [var.cache_ttl_seconds]
}

run "rejects_cache_ttl_seconds_above_3600" {
  command = plan

  variables {
    cache_ttl_seconds = 3601
  }

  expect_failures = [var.cache_ttl_seconds]
}

run "rejects_cache_ttl_seconds_that_is_no_whole_number" {
  command = plan

  variables {
    cache_ttl_seconds = 0.5
  }

  expect_failures = [var.cache_ttl_seconds]
}

run "rejects_client_id_header_empty" {
  command = plan

  variables {
    client_id_header = ""
  }

  expect_failures = [var.client_id_header]
}

run "rejects_client_id_header_with_a_space" {
  command = plan

  variables {
    client_id_header = "client id"
  }

  expect_failures = [var.client_id_header]
}

run "rejects_client_id_header_with_a_colon" {
  command = plan

  variables {
    client_id_header = "clientId:"
  }

  expect_failures = [var.client_id_header]
}

run "rejects_entitlement_parameter_unknown" {
  command = plan

  variables {
    entitlement_parameter = "subscription"
  }

  expect_failures = [var.entitlement_parameter]
}

run "rejects_entitlement_timeout_seconds_below_1" {
  command = plan

  variables {
    entitlement_timeout_seconds = 0
  }

  expect_failures = [var.entitlement_timeout_seconds]
}

run "rejects_entitlement_timeout_seconds_above_8" {
  command = plan

  variables {
    entitlement_timeout_seconds = 9
  }

  expect_failures = [var.entitlement_timeout_seconds]
}

run "rejects_entitlement_timeout_seconds_that_is_no_whole_number" {
  command = plan

  variables {
    entitlement_timeout_seconds = 2.5
  }

  expect_failures = [var.entitlement_timeout_seconds]
}

run "rejects_entitlement_url_over_http" {
  command = plan

  variables {
    entitlement_url = "http://revenium.example/meter"
  }

  expect_failures = [var.entitlement_url]
}

run "rejects_entitlement_url_without_a_host" {
  command = plan

  variables {
    entitlement_url = "https:///meter"
  }

  expect_failures = [var.entitlement_url]
}

run "rejects_entitlement_url_with_a_trailing_slash" {
  command = plan

  variables {
    entitlement_url = "https://revenium.example/meter/"
  }

  expect_failures = [var.entitlement_url]
}

run "rejects_entitlement_url_with_a_query" {
  command = plan

  variables {
    entitlement_url = "https://revenium.example/meter?team=1"
  }

  expect_failures = [var.entitlement_url]
}

run "rejects_entitlement_url_empty" {
  command = plan

  variables {
    entitlement_url = ""
  }

  expect_failures = [var.entitlement_url]
}

run "rejects_http_apis_with_an_empty_key" {
  command = plan

  variables {
    http_apis = { "" = { id = "a1b2c3d4e5" } }
  }

  expect_failures = [var.http_apis]
}

run "rejects_http_apis_with_a_long_key" {
  command = plan

  variables {
    http_apis = { aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = { id = "a1b2c3d4e5" } }
  }

  expect_failures = [var.http_apis]
}

run "rejects_http_apis_with_an_empty_id" {
  command = plan

  variables {
    http_apis = { shop = { id = "" } }
  }

  expect_failures = [var.http_apis]
}

run "rejects_http_apis_by_arn" {
  command = plan

  variables {
    http_apis = { shop = { id = "arn:aws:apigateway:eu-central-1::/apis/a1b2c3d4e5" } }
  }

  expect_failures = [var.http_apis]
}

run "rejects_log_retention_days_that_cloudwatch_lacks" {
  command = plan

  variables {
    log_retention_days = 31
  }

  expect_failures = [var.log_retention_days]
}

run "rejects_log_retention_days_of_0" {
  command = plan

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "rejects_name_empty" {
  command = plan

  variables {
    name = ""
  }

  expect_failures = [var.name]
}

run "rejects_name_with_an_underscore" {
  command = plan

  variables {
    name = "revenium_meter"
  }

  expect_failures = [var.name]
}

run "rejects_name_that_ends_in_a_hyphen" {
  command = plan

  variables {
    name = "revenium-"
  }

  expect_failures = [var.name]
}

run "rejects_name_one_character_too_long" {
  command = plan

  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
}

run "rejects_on_error_unknown" {
  command = plan

  variables {
    on_error = "ignore"
  }

  expect_failures = [var.on_error]
}

run "rejects_rest_apis_with_an_empty_key" {
  command = plan

  variables {
    rest_apis = { "" = { id = "f6g7h8i9j0" } }
  }

  expect_failures = [var.rest_apis]
}

run "rejects_rest_apis_with_a_dot_in_a_key" {
  command = plan

  variables {
    rest_apis = { "shop.v1" = { id = "f6g7h8i9j0" } }
  }

  expect_failures = [var.rest_apis]
}

run "rejects_rest_apis_with_an_empty_id" {
  command = plan

  variables {
    rest_apis = { shop = { id = "" } }
  }

  expect_failures = [var.rest_apis]
}

run "rejects_rest_apis_without_an_id" {
  command = plan

  variables {
    rest_apis = { shop = { id = null } }
  }

  expect_failures = [var.rest_apis]
}

run "rejects_rest_apis_beyond_50_apis" {
  command = plan

  variables {
    rest_apis = { for number in range(50) : "api-${number}" => { id = "f6g7h8i9j0" } }
  }

  expect_failures = [var.rest_apis]
}

run "rejects_runtime_of_another_language" {
  command = plan

  variables {
    runtime = "nodejs22.x"
  }

  expect_failures = [var.runtime]
}

run "rejects_runtime_too_old" {
  command = plan

  variables {
    runtime = "python3.8"
  }

  expect_failures = [var.runtime]
}
