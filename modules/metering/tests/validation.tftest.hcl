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

  monitoring = {
    alarm_actions = ["arn:aws-us-gov:sns:us-gov-west-1:123456789012:on-call"]

    stages = {
      news = { api_id = "a1b2c3d4e5", stage = "$default" }
      shop = { api_name = "The shop, v2", stage = "live" }
    }

    thresholds = { missing_percent = 0.1, queued_hours = 0.5 }
  }

  sources = {
    everything = { source_id = "s1" }
    shop       = { api_id = "abcdef1234", source_id = "s2" }
    products   = { api_id = "abcdef1234", route = "/products/{id}", source_id = "s3" }
  }
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

run "accepts_other_partitions" {
  command = plan

  variables {
    api_key_secret = { arn = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:team/revenium-AbCdEf" }
  }
}

run "accepts_http_to_this_machine" {
  command = plan

  variables {
    metering_url = "http://127.0.0.1:8080"
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

run "rejects_elements_beyond_20" {
  command = plan

  variables {
    elements = { for number in range(21) : "e${number}" => "status" }
  }

  expect_failures = [var.elements]
}

run "rejects_elements_of_an_unknown_key" {
  command = plan

  variables {
    elements = { bytes-out = "responseSize" }
  }

  expect_failures = [var.elements]
}

run "rejects_existing_log_groups_under_a_name_with_a_dot" {
  command = plan

  variables {
    existing_log_groups = { "shop.live" = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop" } }
  }

  expect_failures = [var.existing_log_groups]
}

run "rejects_existing_log_groups_of_another_service" {
  command = plan

  variables {
    existing_log_groups = { shop = { arn = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/shop" } }
  }

  expect_failures = [var.existing_log_groups]
}

run "rejects_existing_log_groups_by_name" {
  command = plan

  variables {
    existing_log_groups = { shop = { arn = "/aws/vendedlogs/shop" } }
  }

  expect_failures = [var.existing_log_groups]
}

run "rejects_existing_log_groups_without_an_arn" {
  command = plan

  variables {
    existing_log_groups = { shop = { arn = null } }
  }

  expect_failures = [var.existing_log_groups]
}

run "rejects_existing_log_groups_with_a_filter_name_that_cloudwatch_does_not_take" {
  command = plan

  variables {
    existing_log_groups = { shop = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop", filter_name = "revenium:*" } }
  }

  expect_failures = [var.existing_log_groups]
}

run "rejects_existing_log_groups_of_the_function_itself" {
  command = plan

  variables {
    name                = "shop"
    existing_log_groups = { shop = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/shop-metering:*" } }
  }

  expect_failures = [var.existing_log_groups]
}

run "rejects_existing_log_groups_with_the_modules_own" {
  command = plan

  variables {
    name                = "shop"
    existing_log_groups = { shop = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/apigateway/shop" } }
  }

  expect_failures = [var.existing_log_groups]
}

run "rejects_existing_log_groups_named_twice" {
  command = plan

  variables {
    existing_log_groups = {
      one = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop" }
      two = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop:*" }
    }
  }

  expect_failures = [var.existing_log_groups]
}

run "rejects_existing_log_groups_beyond_the_functions_policy" {
  command = plan

  variables {
    existing_log_groups = { for number in range(46) : "group${number}" => { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/shop${number}" } }
  }

  expect_failures = [var.existing_log_groups]
}

run "accepts_existing_stages_of_each_kind" {
  command = plan

  variables {
    existing_stages = {
      "Shop-1" = { kind = "REST", api_id = "f6g7h8i9j0", stage = "live" }
      "news_2" = { kind = "HTTP", api_id = "a1b2c3d4e5", stage = "$default", replace_existing = true }
      "chat"   = { kind = "WEBSOCKET", api_id = "k1l2m3n4o5", stage = "live" }
      "beta"   = { kind = "REST", api_id = "f6g7h8i9j0", stage = "beta" }
    }
  }
}

run "rejects_existing_stages_keys_with_a_slash" {
  command = plan

  variables {
    existing_stages = {
      "shop/live" = { kind = "REST", api_id = "f6g7h8i9j0", stage = "live" }
    }
  }

  expect_failures = [var.existing_stages]
}

run "rejects_existing_stages_keys_too_long" {
  command = plan

  variables {
    existing_stages = {
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = { kind = "REST", api_id = "f6g7h8i9j0", stage = "live" }
    }
  }

  expect_failures = [var.existing_stages]
}

run "rejects_existing_stages_kind_unknown" {
  command = plan

  variables {
    existing_stages = {
      shop = { kind = "rest", api_id = "f6g7h8i9j0", stage = "live" }
    }
  }

  expect_failures = [var.existing_stages]
}

run "rejects_existing_stages_kind_missing" {
  command = plan

  variables {
    existing_stages = {
      shop = { kind = null, api_id = "f6g7h8i9j0", stage = "live" }
    }
  }

  expect_failures = [var.existing_stages]
}

run "rejects_existing_stages_api_id_by_arn" {
  command = plan

  variables {
    existing_stages = {
      shop = { kind = "REST", api_id = "arn:aws:apigateway:eu-central-1::/restapis/f6g7h8i9j0", stage = "live" }
    }
  }

  expect_failures = [var.existing_stages]
}

run "rejects_existing_stages_stage_with_a_slash" {
  command = plan

  variables {
    existing_stages = {
      shop = { kind = "REST", api_id = "f6g7h8i9j0", stage = "live/" }
    }
  }

  expect_failures = [var.existing_stages]
}

run "rejects_existing_stages_stage_default_of_a_rest_api" {
  command = plan

  variables {
    existing_stages = {
      shop = { kind = "REST", api_id = "f6g7h8i9j0", stage = "$default" }
    }
  }

  expect_failures = [var.existing_stages]
}

run "rejects_existing_stages_that_name_a_stage_twice" {
  command = plan

  variables {
    existing_stages = {
      shop  = { kind = "REST", api_id = "f6g7h8i9j0", stage = "live" }
      store = { kind = "REST", api_id = "f6g7h8i9j0", stage = "live" }
    }
  }

  expect_failures = [var.existing_stages]
}

run "rejects_extra_log_fields_with_a_key_that_json_would_escape" {
  command = plan

  variables {
    elements         = {}
    metadata         = null
    subscription     = null
    extra_log_fields = { "ten-ant" = "$context.authorizer.tenant" }
  }

  expect_failures = [var.extra_log_fields]
}

run "rejects_extra_log_fields_with_a_key_of_ours" {
  command = plan

  variables {
    elements         = {}
    metadata         = null
    subscription     = null
    extra_log_fields = { clientId = "$context.authorizer.tenant" }
  }

  expect_failures = [var.extra_log_fields]
}

run "rejects_extra_log_fields_of_a_stage_variable" {
  command = plan

  variables {
    elements         = {}
    metadata         = null
    subscription     = null
    extra_log_fields = { tenant = "$stageVariables.tenant" }
  }

  expect_failures = [var.extra_log_fields]
}

run "rejects_extra_log_fields_of_two_variables" {
  command = plan

  variables {
    elements         = {}
    metadata         = null
    subscription     = null
    extra_log_fields = { tenant = "$context.stage$context.apiId" }
  }

  expect_failures = [var.extra_log_fields]
}

run "rejects_extra_log_fields_with_the_callers_api_key" {
  command = plan

  variables {
    elements         = {}
    metadata         = null
    subscription     = null
    extra_log_fields = { tenant = "$context.identity.apiKey" }
  }

  expect_failures = [var.extra_log_fields]
}

run "rejects_extra_log_fields_with_what_a_caller_writes" {
  command = plan

  variables {
    elements         = {}
    metadata         = null
    subscription     = null
    extra_log_fields = { tenant = "$context.error.messageString" }
  }

  expect_failures = [var.extra_log_fields]
}

run "rejects_filter_status_of_no_class" {
  command = plan

  variables {
    filter = { statuses = ["6xx"] }
  }

  expect_failures = [var.filter]
}

run "rejects_filter_route_with_a_space" {
  command = plan

  variables {
    filter = { routes = ["get /products"] }
  }

  expect_failures = [var.filter]
}

run "rejects_filter_excluded_route_of_nothing" {
  command = plan

  variables {
    filter = { excluded_routes = [""] }
  }

  expect_failures = [var.filter]
}

run "rejects_filter_websocket_event_unknown" {
  command = plan

  variables {
    filter = { websocket_events = ["PING"] }
  }

  expect_failures = [var.filter]
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

run "rejects_metadata_with_v2" {
  command = plan

  variables {
    metering_api = "v2"
    subscription = null
  }

  expect_failures = [var.metadata]
}

run "rejects_metadata_with_a_line_break" {
  command = plan

  variables {
    metadata = "a=b\n"
  }

  expect_failures = [var.metadata]
}

run "rejects_metadata_of_an_unknown_key" {
  command = plan

  variables {
    metadata = "plan={plan}"
  }

  expect_failures = [var.metadata]
}

run "rejects_metering_api_unknown" {
  command = plan

  variables {
    metering_api = "v3"
  }

  expect_failures = [var.metering_api]
}

run "rejects_metering_url_over_http" {
  command = plan

  variables {
    metering_url = "http://revenium.example/meter"
  }

  expect_failures = [var.metering_url]
}

run "rejects_metering_url_without_a_host" {
  command = plan

  variables {
    metering_url = "https:///meter"
  }

  expect_failures = [var.metering_url]
}

run "rejects_metering_url_with_a_trailing_slash" {
  command = plan

  variables {
    metering_url = "https://revenium.example/meter/"
  }

  expect_failures = [var.metering_url]
}

run "rejects_metering_url_with_a_query" {
  command = plan

  variables {
    metering_url = "https://revenium.example/meter?team=1"
  }

  expect_failures = [var.metering_url]
}

run "rejects_metering_url_empty" {
  command = plan

  variables {
    metering_url = ""
  }

  expect_failures = [var.metering_url]
}

run "accepts_monitoring_left_out" {
  command = plan

  variables {
    monitoring = null
  }
}

run "accepts_7_monitored_stages_without_a_status_filter" {
  command = plan

  variables {
    filter     = {}
    monitoring = { stages = { s0 = { api_name = "a0", stage = "live" }, s1 = { api_name = "a1", stage = "live" }, s2 = { api_name = "a2", stage = "live" }, s3 = { api_name = "a3", stage = "live" }, s4 = { api_name = "a4", stage = "live" }, s5 = { api_name = "a5", stage = "live" }, s6 = { api_name = "a6", stage = "live" } } }
  }
}

run "accepts_a_monitored_stage_of_an_http_api" {
  command = plan

  variables {
    monitoring = { stages = { news = { api_id = "a1b2c3d4e5", stage = "$default" } } }
  }
}

run "rejects_monitoring_actions_by_name" {
  command = plan

  variables {
    monitoring = { alarm_actions = ["on-call"] }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitoring_actions_by_address" {
  command = plan

  variables {
    monitoring = { alarm_actions = ["on-call@example.com"] }
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

run "rejects_monitored_stages_with_a_space_in_a_key" {
  command = plan

  variables {
    monitoring = { stages = { "the shop" = { api_name = "shop", stage = "live" } } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitored_stages_by_name_and_id" {
  command = plan

  variables {
    monitoring = { stages = { shop = { api_id = "a1b2c3d4e5", api_name = "shop", stage = "live" } } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitored_stages_by_neither_name_nor_id" {
  command = plan

  variables {
    monitoring = { stages = { shop = { stage = "live" } } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitored_stages_by_arn" {
  command = plan

  variables {
    monitoring = { stages = { shop = { api_id = "arn:aws:apigateway:eu-central-1::/apis/a1b2c3d4e5", stage = "live" } } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitored_stages_with_a_name_beyond_ascii" {
  command = plan

  variables {
    monitoring = { stages = { shop = { api_name = "caf\u00e9", stage = "live" } } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitored_stages_with_a_slash" {
  command = plan

  variables {
    monitoring = { stages = { shop = { api_name = "shop", stage = "/live" } } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitored_stages_twice" {
  command = plan

  variables {
    monitoring = { stages = { one = { api_name = "shop", stage = "live" }, two = { api_name = "shop", stage = "live" } } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_8_monitored_stages" {
  command = plan

  variables {
    filter     = {}
    monitoring = { stages = { s0 = { api_name = "a0", stage = "live" }, s1 = { api_name = "a1", stage = "live" }, s2 = { api_name = "a2", stage = "live" }, s3 = { api_name = "a3", stage = "live" }, s4 = { api_name = "a4", stage = "live" }, s5 = { api_name = "a5", stage = "live" }, s6 = { api_name = "a6", stage = "live" }, s7 = { api_name = "a7", stage = "live" } } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_6_monitored_stages_with_a_status_filter" {
  command = plan

  variables {
    monitoring = { stages = { s0 = { api_name = "a0", stage = "live" }, s1 = { api_name = "a1", stage = "live" }, s2 = { api_name = "a2", stage = "live" }, s3 = { api_name = "a3", stage = "live" }, s4 = { api_name = "a4", stage = "live" }, s5 = { api_name = "a5", stage = "live" } } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitoring_thresholds_below_0" {
  command = plan

  variables {
    monitoring = { thresholds = { dead_letters = -1 } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitoring_thresholds_that_count_halves" {
  command = plan

  variables {
    monitoring = { thresholds = { metering_errors = 0.5 } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitoring_thresholds_beyond_all" {
  command = plan

  variables {
    monitoring = { thresholds = { missing_percent = 101 } }
  }

  expect_failures = [var.monitoring]
}

run "rejects_monitoring_thresholds_beyond_retry_hours" {
  command = plan

  variables {
    retry_hours = 5
    monitoring  = { thresholds = { queued_hours = 5 } }
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
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
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

run "rejects_request_timeout_seconds_of_none" {
  command = plan

  variables {
    request_timeout_seconds = 0
  }

  expect_failures = [var.request_timeout_seconds]
}

run "rejects_requests_per_second_of_none" {
  command = plan

  variables {
    requests_per_second = 0
  }

  expect_failures = [var.requests_per_second]
}

run "rejects_retry_hours_of_more_than_a_week" {
  command = plan

  variables {
    retry_hours = 169
  }

  expect_failures = [var.retry_hours]
}

run "rejects_sources_with_a_route_of_no_api" {
  command = plan

  variables {
    sources = { products = { route = "/products/{id}", source_id = "s1" } }
  }

  expect_failures = [var.sources]
}

run "rejects_sources_of_an_api_without_an_id" {
  command = plan

  variables {
    sources = { shop = { api_id = "", source_id = "s1" } }
  }

  expect_failures = [var.sources]
}

run "rejects_sources_of_an_api_by_arn" {
  command = plan

  variables {
    sources = { shop = { api_id = "arn:aws:apigateway:eu-central-1::/restapis/abcdef1234", source_id = "s1" } }
  }

  expect_failures = [var.sources]
}

run "rejects_sources_with_two_for_all_else" {
  command = plan

  variables {
    sources = {
      one = { source_id = "s1" }
      two = { source_id = "s2" }
    }
  }

  expect_failures = [var.sources]
}

run "rejects_sources_without_an_id" {
  command = plan

  variables {
    sources = { shop = { api_id = "abcdef1234", source_id = "" } }
  }

  expect_failures = [var.sources]
}

run "rejects_sources_with_a_route_of_nothing" {
  command = plan

  variables {
    sources = { shop = { api_id = "abcdef1234", route = "", source_id = "s1" } }
  }

  expect_failures = [var.sources]
}

run "rejects_sources_with_a_method" {
  command = plan

  variables {
    sources = { shop = { api_id = "abcdef1234", route = "GET /products", source_id = "s1" } }
  }

  expect_failures = [var.sources]
}

run "rejects_subscription_with_v2" {
  command = plan

  variables {
    metering_api = "v2"
    metadata     = null
  }

  expect_failures = [var.subscription]
}

run "rejects_subscription_with_a_space" {
  command = plan

  variables {
    subscription = "sub 1"
  }

  expect_failures = [var.subscription]
}

run "rejects_subscription_of_an_unknown_key" {
  command = plan

  variables {
    subscription = "{plan}"
  }

  expect_failures = [var.subscription]
}

run "rejects_timeout_seconds_beyond_lambdas" {
  command = plan

  variables {
    timeout_seconds = 901
  }

  expect_failures = [var.timeout_seconds]
}

run "rejects_timeout_seconds_without_room_for_a_record" {
  command = plan

  variables {
    timeout_seconds         = 30
    request_timeout_seconds = 8
  }

  expect_failures = [var.timeout_seconds]
}

run "rejects_v1_unanswered_of_another_kind" {
  command = plan

  variables {
    v1_unanswered = "ignore"
  }

  expect_failures = [var.v1_unanswered]
}

run "rejects_timeout_seconds_without_room_for_the_elements" {
  command = plan

  variables {
    timeout_seconds         = 50
    request_timeout_seconds = 12
  }

  expect_failures = [var.timeout_seconds]
}

run "accepts_the_same_timeout_seconds_without_elements" {
  command = plan

  variables {
    elements                = {}
    timeout_seconds         = 50
    request_timeout_seconds = 12
  }
}
