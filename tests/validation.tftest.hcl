# All inputs valid, then one broken per run. Mocked: needs neither AWS nor an emulator.

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
  api_key_secret = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:revenium-AbCdEf" }
  rest_apis      = { shop = { id = "f6g7h8i9j0" } }
  websocket_apis = { shop = { id = "k1l2m3n4o5" } }
}

run "accepts_valid_inputs" {
  command = plan
}

run "accepts_metering_alone" {
  command = plan

  variables {
    authorizer     = null
    rest_apis      = {}
    websocket_apis = {}
  }
}

run "accepts_the_authorizer_alone" {
  command = plan

  variables {
    metering = null
  }
}

run "accepts_an_api_key_in_place_of_a_secret" {
  command = plan

  variables {
    api_key        = "hak_0123456789"
    api_key_secret = null
  }
}

run "accepts_an_api_key_for_the_authorizer_alone" {
  command = plan

  variables {
    api_key        = "hak_0123456789"
    api_key_secret = null
    metering       = null
  }
}

run "accepts_nulls_for_what_the_modules_have_defaults_for" {
  command = plan

  variables {
    authorizer = { cache_ttl_seconds = null, client_id_source = { name = "X-Consumer" }, denial_response = {}, on_error = null }
    metering   = { metering_api = null }
  }
}

run "rejects_apis_without_an_authorizer" {
  command = plan

  variables {
    authorizer     = null
    websocket_apis = {}
  }

  expect_failures = [var.authorizer]
}

run "rejects_websocket_apis_without_an_authorizer" {
  command = plan

  variables {
    authorizer = null
    rest_apis  = {}
  }

  expect_failures = [var.authorizer]
}

run "rejects_neither_metering_nor_authorizer" {
  command = plan

  variables {
    authorizer     = null
    metering       = null
    rest_apis      = {}
    websocket_apis = {}
  }

  expect_failures = [var.authorizer]
}

run "rejects_a_key_of_the_authorizers_own_where_it_is_the_only_one" {
  command = plan

  variables {
    authorizer = {
      api_key_secret = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:entitlements-AbCdEf" }
    }
    metering = null
  }

  expect_failures = [var.authorizer]
}

run "rejects_existing_stages_without_metering" {
  command = plan

  variables {
    metering        = null
    existing_stages = { shop = { kind = "REST", api_id = "f6g7h8i9j0", stage = "live" } }
  }

  expect_failures = [var.existing_stages]
}

run "makes_a_key_where_it_is_told_to" {
  command = plan

  variables {
    kms_key = { create = true }
  }

  assert {
    condition     = length(module.kms_key) == 1
    error_message = "`create = true` must make a key."
  }
}

run "takes_a_key_of_the_users" {
  command = plan

  variables {
    kms_key = { arn = "arn:aws:kms:eu-central-1:123456789012:key/0a1b" }
  }

  assert {
    condition     = length(module.kms_key) == 0
    error_message = "A key that is named must not be made."
  }
}

run "rejects_a_key_that_is_neither_named_nor_made" {
  command = plan

  variables {
    kms_key = {}
  }

  expect_failures = [var.kms_key]
}

run "rejects_monitored_stages_without_metering" {
  command = plan

  variables {
    metering        = null
    existing_stages = {}
    monitoring      = { stages = { shop = { api_name = "shop", stage = "live" } } }
  }

  expect_failures = [var.monitoring]
}
