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
  allow_cache_seconds         = 3600
  api_key_secret              = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:revenium-AbCdEf", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d" }
  api_key_version             = 2
  authenticate                = { file = "../../examples/signed-clients/authenticate.py", secret = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:signing-AbCdEf", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d" } }
  cache_ttl_seconds           = 3600
  client_id_source            = { name = "X-Client-Id" }
  denial_response             = { status_code = 402, cors_origin = "https://app.example:8443" }
  deny_cache_seconds          = 3600
  entitlement_parameter       = "productKey"
  entitlement_timeout_seconds = 8
  entitlement_url             = "https://revenium.example:8443/meter/v1/api/meter/product-key"
  extra_identity_sources      = [{ type = "header", name = "x-signature" }, { type = "query", name = "x-signature" }]
  http_apis                   = { shop = { id = "a1b2c3d4e5" } }
  log_retention_days          = 365
  mode                        = "observe"
  monitoring                  = { alarm_actions = ["arn:aws:sns:eu-central-1:123456789012:on-call"], thresholds = { no_decision_percent = 0.5 } }
  name                        = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  on_error                    = "allow"
  rest_apis                   = { shop = { id = "f6g7h8i9j0" } }
  runtime                     = "python3.13"
  stale_seconds               = 86400
  websocket_apis              = { shop = { id = "k1l2m3n4o5" } }
}

run "accepts_valid_inputs" {
  command = plan
}

run "accepts_a_certificate_a_hook_without_a_secret_and_every_origin" {
  command = plan

  variables {
    authenticate     = { file = "../../examples/signed-clients/authenticate.py" }
    client_id_source = { type = "certificate" }
    denial_response  = { cors_origin = "*" }
    websocket_apis   = {}
  }
}

run "accepts_an_api_key_and_nulls_for_what_has_a_default" {
  command = plan

  variables {
    authenticate           = null
    client_id_source       = { type = "api_key" }
    denial_response        = null
    extra_identity_sources = null
    http_apis              = {}
    mode                   = null
  }
}

run "accepts_a_claim_named_by_a_url_and_parameters_that_differ_in_case" {
  command = plan

  variables {
    client_id_source       = { type = "jwt_claim", name = "https://app.example/client:id" }
    extra_identity_sources = [{ type = "query", name = "token" }, { type = "query", name = "Token" }]
  }
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
    rest_apis = { for number in range(48) : "api-${number}" => { id = "f6g7h8i9j0" } }
  }
}

run "rejects_allow_cache_seconds_below_0" {
  command = plan

  variables {
    allow_cache_seconds = -1
  }

  expect_failures = [var.allow_cache_seconds]
}

run "rejects_allow_cache_seconds_above_3600" {
  command = plan

  variables {
    allow_cache_seconds = 3601
  }

  expect_failures = [var.allow_cache_seconds]
}

run "rejects_allow_cache_seconds_that_is_no_whole_number" {
  command = plan

  variables {
    allow_cache_seconds = 0.5
  }

  expect_failures = [var.allow_cache_seconds]
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

run "rejects_authenticate_of_another_language" {
  command = plan

  variables {
    authenticate = { file = "variables.tf" }
  }

  expect_failures = [var.authenticate]
}

run "rejects_authenticate_that_is_not_there" {
  command = plan

  variables {
    authenticate = { file = "tests/authenticate.py" }
  }

  expect_failures = [var.authenticate]
}

run "rejects_authenticate_without_its_function" {
  command = plan

  variables {
    authenticate = { file = "../../functions/authorizer/settings.py" }
  }

  expect_failures = [var.authenticate]
}

run "rejects_authenticate_secret_of_another_service" {
  command = plan

  variables {
    authenticate = { file = "../../examples/signed-clients/authenticate.py", secret = { arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/signing-AbCdEf" } }
  }

  expect_failures = [var.authenticate]
}

run "rejects_authenticate_secret_kms_alias" {
  command = plan

  variables {
    authenticate = { file = "../../examples/signed-clients/authenticate.py", secret = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:signing-AbCdEf", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:alias/signing" } }
  }

  expect_failures = [var.authenticate]
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

run "rejects_client_id_source_unknown" {
  command = plan

  variables {
    client_id_source = { type = "cookie" }
  }

  expect_failures = [var.client_id_source]
}

run "rejects_client_id_source_header_with_a_colon" {
  command = plan

  variables {
    client_id_source = { name = "clientId:" }
  }

  expect_failures = [var.client_id_source]
}

run "rejects_client_id_source_query_with_an_equals_sign" {
  command = plan

  variables {
    client_id_source = { type = "query", name = "client=id" }
  }

  expect_failures = [var.client_id_source]
}

run "rejects_client_id_source_query_with_a_long_name" {
  command = plan

  variables {
    client_id_source = { type = "query", name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
  }

  expect_failures = [var.client_id_source]
}

run "rejects_client_id_source_claim_with_a_comma" {
  command = plan

  variables {
    client_id_source = { type = "jwt_claim", name = "client,id" }
  }

  expect_failures = [var.client_id_source]
}

run "rejects_client_id_source_api_key_by_name" {
  command = plan

  variables {
    client_id_source = { type = "api_key", name = "x-api-key" }
    http_apis        = {}
  }

  expect_failures = [var.client_id_source]
}

run "rejects_client_id_source_certificate_by_name" {
  command = plan

  variables {
    client_id_source = { type = "certificate", name = "CN" }
    websocket_apis   = {}
  }

  expect_failures = [var.client_id_source]
}

run "rejects_client_id_source_api_key_on_an_http_api" {
  command = plan

  variables {
    client_id_source = { type = "api_key" }
  }

  expect_failures = [var.client_id_source]
}

run "rejects_client_id_source_certificate_on_a_websocket_api" {
  command = plan

  variables {
    client_id_source = { type = "certificate" }
  }

  expect_failures = [var.client_id_source]
}

run "rejects_denial_response_as_a_success" {
  command = plan

  variables {
    denial_response = { status_code = 200 }
  }

  expect_failures = [var.denial_response]
}

run "rejects_denial_response_to_an_origin_with_a_path" {
  command = plan

  variables {
    denial_response = { cors_origin = "https://app.example/" }
  }

  expect_failures = [var.denial_response]
}

run "rejects_denial_response_to_an_origin_in_quotes" {
  command = plan

  variables {
    denial_response = { cors_origin = "'https://app.example'" }
  }

  expect_failures = [var.denial_response]
}

run "rejects_denial_response_to_a_host" {
  command = plan

  variables {
    denial_response = { cors_origin = "app.example" }
  }

  expect_failures = [var.denial_response]
}

run "rejects_denial_response_to_no_origin" {
  command = plan

  variables {
    denial_response = { cors_origin = "" }
  }

  expect_failures = [var.denial_response]
}

run "rejects_deny_cache_seconds_below_0" {
  command = plan

  variables {
    deny_cache_seconds = -1
  }

  expect_failures = [var.deny_cache_seconds]
}

run "rejects_deny_cache_seconds_above_3600" {
  command = plan

  variables {
    deny_cache_seconds = 3601
  }

  expect_failures = [var.deny_cache_seconds]
}

run "rejects_deny_cache_seconds_that_is_no_whole_number" {
  command = plan

  variables {
    deny_cache_seconds = 0.5
  }

  expect_failures = [var.deny_cache_seconds]
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

run "rejects_extra_identity_sources_of_the_connection" {
  command = plan

  variables {
    extra_identity_sources = [{ type = "certificate", name = "subject" }]
  }

  expect_failures = [var.extra_identity_sources]
}

run "rejects_extra_identity_sources_with_a_comma" {
  command = plan

  variables {
    extra_identity_sources = [{ type = "header", name = "x-signature,x-timestamp" }]
  }

  expect_failures = [var.extra_identity_sources]
}

run "rejects_extra_identity_sources_without_a_name" {
  command = plan

  variables {
    extra_identity_sources = [{ type = "query", name = "" }]
  }

  expect_failures = [var.extra_identity_sources]
}

run "rejects_extra_identity_sources_beyond_5" {
  command = plan

  variables {
    extra_identity_sources = [for number in range(6) : { type = "query", name = "part-${number}" }]
  }

  expect_failures = [var.extra_identity_sources]
}

run "rejects_extra_identity_sources_named_twice" {
  command = plan

  variables {
    extra_identity_sources = [{ type = "header", name = "x-signature" }, { type = "header", name = "X-Signature" }]
  }

  expect_failures = [var.extra_identity_sources]
}

run "rejects_extra_identity_sources_with_the_client_id" {
  command = plan

  variables {
    extra_identity_sources = [{ type = "header", name = "x-client-id" }]
  }

  expect_failures = [var.extra_identity_sources]
}

run "rejects_extra_identity_sources_with_the_token_of_the_client_id" {
  command = plan

  variables {
    client_id_source       = { type = "jwt_claim" }
    extra_identity_sources = [{ type = "header", name = "authorization" }]
  }

  expect_failures = [var.extra_identity_sources]
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

run "rejects_mode_unknown" {
  command = plan

  variables {
    mode = "off"
  }

  expect_failures = [var.mode]
}

run "accepts_monitoring_left_out" {
  command = plan

  variables {
    monitoring = null
  }
}

run "rejects_monitoring_actions_by_name" {
  command = plan

  variables {
    monitoring = { alarm_actions = ["on-call"] }
  }

  expect_failures = [var.monitoring]
}

run "rejects_6_monitoring_actions" {
  command = plan

  variables {
    monitoring = { alarm_actions = ["arn:aws:sns:eu-central-1:123456789012:a0", "arn:aws:sns:eu-central-1:123456789012:a1", "arn:aws:sns:eu-central-1:123456789012:a2", "arn:aws:sns:eu-central-1:123456789012:a3", "arn:aws:sns:eu-central-1:123456789012:a4", "arn:aws:sns:eu-central-1:123456789012:a5"] }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitoring_thresholds_below_0" {
  command = plan

  variables {
    monitoring = { thresholds = { no_decision_percent = -1 } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitoring_thresholds_that_count_halves" {
  command = plan

  variables {
    monitoring = { thresholds = { authorizer_failures = 0.5 } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitoring_thresholds_beyond_all" {
  command = plan

  variables {
    monitoring = { thresholds = { no_decision_percent = 101 } }
  }

  expect_failures = [var.monitoring]
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
    rest_apis = { for number in range(49) : "api-${number}" => { id = "f6g7h8i9j0" } }
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

run "rejects_stale_seconds_below_0" {
  command = plan

  variables {
    stale_seconds = -1
  }

  expect_failures = [var.stale_seconds]
}

run "rejects_stale_seconds_above_86400" {
  command = plan

  variables {
    stale_seconds = 86401
  }

  expect_failures = [var.stale_seconds]
}

run "rejects_stale_seconds_that_is_no_whole_number" {
  command = plan

  variables {
    stale_seconds = 0.5
  }

  expect_failures = [var.stale_seconds]
}

run "rejects_websocket_apis_with_a_space_in_a_key" {
  command = plan

  variables {
    websocket_apis = { "the shop" = { id = "k1l2m3n4o5" } }
  }

  expect_failures = [var.websocket_apis]
}

run "rejects_websocket_apis_by_url" {
  command = plan

  variables {
    websocket_apis = { shop = { id = "wss://k1l2m3n4o5.execute-api.eu-central-1.amazonaws.com" } }
  }

  expect_failures = [var.websocket_apis]
}
